/** Looks through a user's prompt pairs for what would spoil an experiment without stopping it. */
import type { PromptPair } from '../formats/prompt-pairs.js';
import type { TokenPair } from '../formats/token-pairs.js';
import type { Tokenizer } from '../formats/tokenizer.js';
import { shiftBetweenTexts, shiftBetweenTokens } from './alignment.js';

export type FindingKind =
  | 'no-corrupted'
  | 'identical-prompts'
  | 'unequal-length'
  | 'misaligned'
  | 'no-answer'
  | 'no-distractor'
  | 'same-first-token'
  | 'unknown-token'
  | 'repeated-prompt';

export interface Finding {
  /** The pair's id. */
  id: string;
  kind: FindingKind;
  /** What was found and what follows from it. */
  message: string;
}

/**
 * Findings pair by pair, in the order of the pairs; none for a pair that is fit for every use.
 * @param tokens the same pairs encoded, in the same order
 * @param tokenizer null where the pairs are given as ids and the model has none
 */
export function lintPairs(
  pairs: readonly PromptPair[],
  tokens: readonly TokenPair[],
  tokenizer: Tokenizer | null,
): Finding[] {
  const firstWith = new Map<string, string>();
  return tokens.flatMap((encoded, i) => {
    const prompt = encoded.clean.join(' ');
    const earlier = firstWith.get(prompt);
    if (earlier === undefined) firstWith.set(prompt, encoded.id);
    const found = [
      ...lintCorrupted(pairs[i]!, encoded, tokenizer),
      ...lintAnswers(encoded),
      ...lintWords(encoded, tokenizer),
      ...(earlier === undefined
        ? []
        : [remark('repeated-prompt', `has the clean prompt of pair "${earlier}"`)]),
    ];
    return found.map((each) => ({ id: encoded.id, ...each }));
  });
}

/** How many pairs there are, how many have no finding, and how many have each kind of finding. */
export function summariseFindings(findings: readonly Finding[], pairs: number) {
  const counts: Partial<Record<FindingKind, number>> = {};
  for (const { kind } of findings) counts[kind] = (counts[kind] ?? 0) + 1;
  return { pairs, sound: pairs - new Set(findings.map(({ id }) => id)).size, counts };
}

/** A finding before it is known whose it is. */
type Remark = Omit<Finding, 'id'>;

function remark(kind: FindingKind, message: string): Remark {
  return { kind, message };
}

function lintCorrupted(
  pair: PromptPair,
  { clean, corrupted }: TokenPair,
  tokenizer: Tokenizer | null,
): Remark[] {
  if (corrupted === null)
    return [
      remark('no-corrupted', 'has no corrupted prompt: only the rules mean, zero and resample can be used'),
    ];
  if (clean.length !== corrupted.length)
    return [
      remark(
        'unequal-length',
        `has ${clean.length} clean and ${corrupted.length} corrupted tokens: fit for "positions: last", not for "all"`,
      ),
    ];
  if (clean.every((id, i) => id === corrupted[i]))
    return [remark('identical-prompts', 'has the same clean and corrupted prompt: nothing is corrupted')];
  const shift =
    tokenizer !== null && typeof pair.clean === 'string' && typeof pair.corrupted === 'string'
      ? shiftBetweenTexts(pair.clean, pair.corrupted, tokenizer)
      : shiftBetweenTokens(clean, corrupted);
  if (shift === null) return [];
  return [
    remark(
      'misaligned',
      `has prompts of ${clean.length} tokens each, but ${shift}: fit for "positions: last", not for "all"`,
    ),
  ];
}

function lintAnswers({ answers, distractors }: TokenPair): Remark[] {
  if (answers.length === 0)
    return [
      remark('no-answer', 'has no answer: KL and exact match work, accuracy and logit difference do not'),
    ];
  if (distractors.length === 0)
    return [remark('no-distractor', 'has no distractor: accuracy works, the logit difference does not')];
  const shared = distractors.find((id) => answers.includes(id));
  return shared === undefined
    ? []
    : [remark('same-first-token', `has an answer and a distractor that both begin with token ${shared}`)];
}

function lintWords({ clean, corrupted }: TokenPair, tokenizer: Tokenizer | null): Remark[] {
  const unknown = tokenizer?.unknownId ?? null;
  if (unknown === null || !(clean.includes(unknown) || corrupted?.includes(unknown))) return [];
  return [remark('unknown-token', 'has a word that the tokenizer does not know')];
}
