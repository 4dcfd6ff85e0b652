/** Looks through a user's prompt pairs for what would spoil an experiment without stopping it. */
import type { PromptPair } from '../formats/prompt-pairs.js';
import { encodePairsAhead, type TokenPair } from '../formats/token-pairs.js';
import type { Tokenizer } from '../formats/tokenizer.js';
import { shiftBetweenTexts, shiftBetweenTokens } from './alignment.js';
import { follow } from './token-fit.js';

export type FindingKind =
  | 'no-corrupted'
  | 'identical-prompts'
  | 'unequal-length'
  | 'misaligned'
  | 'no-answer'
  | 'no-distractor'
  | 'same-first-token'
  | 'no-space'
  | 'merges'
  | 'two-spaces'
  | 'blank-first-token'
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
 * @param positions those that are to be masked: with the last alone the two prompts need not correspond
 */
export function lintPairs(
  pairs: readonly PromptPair[],
  tokens: readonly TokenPair[],
  tokenizer: Tokenizer | null,
  positions: 'last' | 'all' = 'all',
): Finding[] {
  const firstWith = new Map<string, string>();
  return tokens.flatMap((encoded, i) => {
    encodePairsAhead(pairs, i, tokenizer);
    const prompt = encoded.clean.join(' ');
    const earlier = firstWith.get(prompt);
    if (earlier === undefined) firstWith.set(prompt, encoded.id);
    const found = [
      ...lintCorrupted(pairs[i]!, encoded, tokenizer, positions),
      ...lintAnswers(encoded, tokenizer),
      ...lintBorder(pairs[i]!, tokenizer),
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
  positions: 'last' | 'all',
): Remark[] {
  if (corrupted === null)
    return [
      remark('no-corrupted', 'has no corrupted prompt: only the rules mean, zero and resample can be used'),
    ];
  const differ = clean.length !== corrupted.length;
  if (differ && positions === 'last') return [];
  if (differ)
    return [
      remark(
        'unequal-length',
        `has ${clean.length} clean and ${corrupted.length} corrupted tokens: fit for "positions: last", not for "all"`,
      ),
    ];
  if (clean.every((id, i) => id === corrupted[i]))
    return [remark('identical-prompts', 'has the same clean and corrupted prompt: nothing is corrupted')];
  if (positions === 'last') return [];
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

function lintAnswers({ answers, distractors }: TokenPair, tokenizer: Tokenizer | null): Remark[] {
  if (answers.length === 0)
    return [
      remark('no-answer', 'has no answer: KL and exact match work, accuracy and logit difference do not'),
    ];
  if (distractors.length === 0)
    return [remark('no-distractor', 'has no distractor: accuracy works, the logit difference does not')];
  const shared = distractors.find((id) => answers.includes(id));
  if (shared === undefined) return [];
  const shown = tokenizer
    ? `${JSON.stringify(tokenizer.token(shared))} (token ${shared})`
    : `token ${shared}`;
  return [
    remark(
      'same-first-token',
      `has an answer and a distractor that both begin with ${shown}: only first tokens count`,
    ),
  ];
}

/** Where prompt and answer meet. A prompt whose answers are not given as text is tried with a word. */
function lintBorder({ clean, answers, distractors }: PromptPair, tokenizer: Tokenizer | null): Remark[] {
  if (tokenizer === null || typeof clean !== 'string') return [];
  const texts = [...answers, ...distractors].filter((each) => typeof each === 'string');
  const bare = texts.find((text) => lacksSpace(clean, text, tokenizer));
  if (bare !== undefined) {
    const [scored, meant] = [bare, ` ${bare}`].map((text) => {
      const [first] = tokenizer.continuation(clean, text);
      return JSON.stringify(tokenizer.token(first!));
    });
    return [
      remark(
        'no-space',
        `has the answer ${JSON.stringify(bare)} without the space in front: ${scored} is scored, where the model says ${meant}`,
      ),
    ];
  }
  const second = clean.endsWith(' ') ? texts.find((text) => text.startsWith(' ')) : undefined;
  if (second !== undefined)
    return [
      remark(
        'two-spaces',
        `ends in a space, and ${JSON.stringify(second)} begins with another: drop the first`,
      ),
    ];
  const blank = texts.find((text) => text.startsWith(' ') && beginsBlank(clean, text, tokenizer));
  if (blank !== undefined)
    return [
      remark(
        'blank-first-token',
        `has the answer ${JSON.stringify(blank)}, whose first token is white space alone: all answers of this kind are scored alike`,
      ),
    ];
  const tried = texts.length > 0 ? texts : /\s$/.test(clean) ? ['the'] : [];
  const merging = tried.filter((text) => follow(tokenizer, clean, text) === null);
  // Of many numbers after "17" some have a token of their own with it; then the others can still be said.
  if (merging.length <= tried.length / 2) return [];
  const end = /\s$/.test(clean)
    ? 'ends in white space, which belongs to the answer'
    : `ends within a word that goes on with ${JSON.stringify(merging[0])}`;
  return [remark('merges', `${end}: the model has never seen its last token in such a place`)];
}

/** Whether the only token of an answer that counts says nothing of it. */
function beginsBlank(prompt: string, answer: string, tokenizer: Tokenizer): boolean {
  const [first] = tokenizer.continuation(prompt, answer);
  // As it is spelled where it is no text by itself.
  return first !== undefined && /^[\s▁Ġ]*$/u.test(tokenizer.token(first));
}

/** Scripts that put no space between words. */
const UNSPACED = /[\p{sc=Han}\p{sc=Hira}\p{sc=Kana}\p{sc=Thai}\p{sc=Laoo}\p{sc=Khmr}\p{sc=Mymr}\p{sc=Tibt}]/u;

/** Whether a word begins right behind a word or a stop, and would be another token behind a space. */
function lacksSpace(prompt: string, answer: string, tokenizer: Tokenizer): boolean {
  if (/^n['’]t/i.test(answer)) return false;
  const border = (prompt.match(/.$/u)?.[0] ?? '') + (answer.match(/^./u)?.[0] ?? '');
  if (!/^[\p{L},.;:!?]\p{L}/u.test(border) || UNSPACED.test(border)) return false;
  const [[scored], [meant]] = [answer, ` ${answer}`].map((text) => tokenizer.continuation(prompt, text)) as [
    number[],
    number[],
  ];
  return scored !== meant;
}

function lintWords({ clean, corrupted }: TokenPair, tokenizer: Tokenizer | null): Remark[] {
  const unknown = tokenizer?.unknownId ?? null;
  if (unknown === null || !(clean.includes(unknown) || corrupted?.includes(unknown))) return [];
  return [remark('unknown-token', 'has a word that the tokenizer does not know')];
}
