/** Whether words fit a tokenizer: known, and standing after a prompt without changing the prompt's own tokens. */
import type { Tokenizer } from '../formats/tokenizer.js';

/** True if no part of the text becomes the tokenizer's unknown token. */
export function isKnown(tokenizer: Tokenizer, text: string): boolean {
  return tokenizer.unknownId === null || !tokenizer.encodeBare(text).includes(tokenizer.unknownId);
}

/**
 * The ids that `text` takes after `prompt`, or null where the prompt's tokens are not those of the
 * whole: a model that was trained on the whole never sees that prompt end where ours ends.
 */
export function follow(tokenizer: Tokenizer, prompt: string, text: string): number[] | null {
  const before = tokenizer.encode(prompt);
  const whole = tokenizer.encode(prompt + text);
  if (whole.length <= before.length || before.some((id, i) => whole[i] !== id)) return null;
  return whole.slice(before.length);
}

/** What names are tried behind. */
const BEFORE_NAME = 'When';

/** The number of tokens that a name takes inside a sentence if that is one or two, otherwise null. */
export function nameLength(tokenizer: Tokenizer, name: string): 1 | 2 | null {
  if (!isKnown(tokenizer, ` ${name}`)) return null;
  const length = follow(tokenizer, BEFORE_NAME, ` ${name}`)?.length;
  return length === 1 || length === 2 ? length : null;
}

/** Encodes what will be asked of words by themselves, all at once. */
export function encodeWordsAhead(tokenizer: Tokenizer, words: readonly string[]): void {
  tokenizer.encodeAhead(words.flatMap((word) => [` ${word}`, `${BEFORE_NAME} ${word}`]));
}
