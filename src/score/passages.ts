/** From a record of a data set to the stretches of tokens that are run and the positions in them that are scored. */
import { InputError } from '../errors.js';
import type { PromptPair } from '../formats/prompt-pairs.js';
import type { Tokenizer } from '../formats/tokenizer.js';
import type { LongPrompts, ScoredPositions } from '../settings/choices.js';

export interface Passage {
  /** Line of the record. */
  prompt: number;
  ids: Int32Array;
  /** First of `ids` that is scored; all behind it are, too. */
  from: number;
  /** Position of `ids[0]` in the prompt. */
  shift: number;
}

export interface Passages {
  clean: Passage[];
  corrupted: Passage[];
  /** Passages beyond one a prompt. */
  windows: number;
}

export interface PassageSettings {
  positions: ScoredPositions;
  long: LongPrompts;
  /** Most tokens of a passage. */
  maxTokens: number;
  nVocab: number;
  /** Null where the model has none. */
  tokenizer: Tokenizer | null;
}

/**
 * @param prompt line of the record
 * @throws InputError saying why the record cannot be scored: no prompt, text without a tokenizer, a token outside
 *   the vocabulary, too long, no answer where answers are scored
 */
export function passagesOf(
  prompt: number,
  { clean, corrupted, answers }: PromptPair,
  settings: PassageSettings,
): Passages {
  const answer = settings.positions === 'answer' ? answers[0] : undefined;
  if (settings.positions === 'answer' && answer === undefined)
    throw new InputError('no answer, whose tokens are to be scored');
  const sides = [clean, ...(corrupted === undefined ? [] : [corrupted])].map((text) =>
    cut(prompt, encode(text, answer, settings), settings),
  );
  const [first, second = []] = sides;
  return { clean: first!, corrupted: second, windows: sides.reduce((sum, own) => sum + own.length - 1, 0) };
}

/** What {@link passagesOf} has encoded. */
export function textsOfRecord(
  { clean, corrupted, answers }: PromptPair,
  { positions }: PassageSettings,
): string[] {
  const answer = positions === 'answer' ? answers[0] : undefined;
  const prompts = [clean, corrupted].filter((each) => typeof each === 'string');
  return [...prompts, ...(typeof answer === 'string' ? prompts.map((prompt) => prompt + answer) : [])];
}

interface Encoded {
  ids: number[];
  /** First scored token. */
  from: number;
}

function encode(
  prompt: string | number[],
  answer: string | number | undefined,
  { positions, tokenizer, nVocab }: PassageSettings,
): Encoded {
  if (typeof prompt === 'string' && tokenizer === null)
    throw new InputError('text, but the model has no tokenizer.json; give token ids');
  const own = typeof prompt === 'string' ? tokenizer!.encode(prompt) : prompt;
  const added =
    answer === undefined
      ? []
      : typeof answer === 'string'
        ? tokenizer!.continuation(prompt as string, answer)
        : [answer];
  const ids = [...own, ...added];
  if (ids.length === 0) throw new InputError('no tokens');
  if (answer !== undefined && added.length === 0) throw new InputError('the answer has no tokens');
  const outside = ids.find((id) => !(id < nVocab));
  if (outside !== undefined)
    throw new InputError(`token ${outside} is outside the vocabulary (0 to ${nVocab - 1})`);
  const from = positions === 'all' ? 0 : positions === 'last' ? ids.length - 1 : own.length;
  return { ids, from };
}

/** Cuts a long prompt into windows without overlap. Only those with a scored position are kept. */
function cut(
  prompt: number,
  { ids, from }: Encoded,
  { long, maxTokens, positions }: PassageSettings,
): Passage[] {
  const passage = (start: number, end: number, scored: number): Passage => ({
    prompt,
    ids: Int32Array.from(ids.slice(start, end)),
    from: Math.max(0, scored - start),
    shift: start,
  });
  if (ids.length <= maxTokens) return [passage(0, ids.length, from)];
  if (long === 'refuse')
    throw new InputError(`${ids.length} tokens, ${maxTokens} are taken; cut it, or give --long window`);
  if (positions !== 'all') return [passage(ids.length - maxTokens, ids.length, from)];
  const passages: Passage[] = [];
  for (let start = 0; start < ids.length; start += maxTokens)
    passages.push(passage(start, Math.min(start + maxTokens, ids.length), start));
  return passages;
}
