/** Draws prompt pairs until the splits are full or nothing new comes. */
import { InputError } from '../errors.js';
import type { PromptPair } from '../formats/prompt-pairs.js';
import { textsOfPair } from '../formats/token-pairs.js';
import type { Random } from '../random.js';
import { SPLITS, type Split, type SplitCounts } from './splits.js';
import type { Draw, Drawn, TaskSetting } from './task.js';
import { follow, isKnown } from './token-fit.js';

type Setting = Pick<TaskSetting, 'tokenizer' | 'aligned' | 'report'>;

/** After so many draws in a row that gave no new pair, the words that fit are taken to be used up. */
const MISSES_ALLOWED = 500;

/** Pairs whose texts are encoded together. */
const DRAWN_AT_ONCE = 1000;

/**
 * The splits of a task, disjoint in their clean prompts; `report.made` and `report.refused` are filled in.
 * @throws InputError if so few pairs fit that a split asked for would be empty.
 */
export function drawSplits(
  name: string,
  draw: Draw,
  setting: Setting,
  random: Random,
): Record<Split, PromptPair[]> {
  const { report } = setting;
  const drawn = drawDifferent(draw, setting, sum(report.asked), random);
  report.made = share(drawn.length, report.asked);
  if (SPLITS.some((split) => report.asked[split] > 0 && report.made[split] === 0))
    throw new InputError(
      `${name}: only ${drawn.length} different prompts fit the tokenizer, too few for the splits asked for` +
        `${refusals(report.refused)}; give your own prompt pairs`,
    );
  const take = (split: Split): PromptPair[] =>
    drawn.splice(0, report.made[split]).map((pair, i) => ({ id: `${name}-${split}-${i + 1}`, ...pair }));
  return { train: take('train'), validation: take('validation'), test: take('test') };
}

function drawDifferent(draw: Draw, setting: Setting, wanted: number, random: Random): Drawn[] {
  const { refused } = setting.report;
  const pairs = new Map<string, Drawn>();
  let misses = 0;
  while (pairs.size < wanted && misses < MISSES_ALLOWED) {
    const drawn = Array.from({ length: Math.min(wanted - pairs.size, DRAWN_AT_ONCE) }, () => draw(random));
    setting.tokenizer.encodeAhead(drawn.flatMap(textsOfPair));
    for (const pair of drawn) {
      if (misses === MISSES_ALLOWED) break;
      misses++;
      if (pairs.has(pair.clean)) continue;
      const reason = faultOf(pair, setting);
      if (reason !== null) {
        refused[reason] = (refused[reason] ?? 0) + 1;
        continue;
      }
      pairs.set(pair.clean, pair);
      misses = 0;
    }
  }
  return [...pairs.values()];
}

function refusals(refused: Record<string, number>): string {
  const reasons = Object.keys(refused);
  return reasons.length === 0 ? '' : ` (${reasons.join(', ')})`;
}

/** Why a pair cannot be used with this tokenizer, or null. */
function faultOf(
  { clean, corrupted, answers, distractors }: Drawn,
  { tokenizer, aligned }: Setting,
): string | null {
  if (![clean, corrupted].every((prompt) => isKnown(tokenizer, prompt)))
    return 'a word is unknown in its place';
  if (aligned && tokenizer.encode(clean).length !== tokenizer.encode(corrupted).length)
    return 'clean and corrupted prompt differ in length';
  const firstToken = (answer: string | number) =>
    typeof answer === 'number' ? answer : follow(tokenizer, clean, answer)?.[0];
  const right = answers.map(firstToken);
  const wrong = distractors.map(firstToken);
  const both = [...right, ...wrong];
  if (both.some((token) => token === tokenizer.unknownId)) return 'the answer is unknown';
  if (both.includes(undefined)) return 'the answer changes the tokens of its prompt';
  if (wrong.some((token) => right.includes(token))) return 'answer and distractor begin with the same token';
  return null;
}

/** Shares what there is among the splits in proportion to what was asked for; the first splits get what is left over. */
function share(available: number, asked: SplitCounts): SplitCounts {
  const total = sum(asked);
  const made = { ...asked };
  if (available >= total) return made;
  for (const split of SPLITS) made[split] = Math.floor((asked[split] * available) / total);
  for (const split of SPLITS) if (sum(made) < available && made[split] < asked[split]) made[split]++;
  return made;
}

function sum(counts: SplitCounts): number {
  return SPLITS.reduce((total, split) => total + counts[split], 0);
}
