/** Which tokens of a prompt are meant: the last, all, some by index, or those that spell a text. */
import { InputError } from '../errors.js';
import { placesOf, spellings } from '../formats/token-pairs.js';
import type { Tokenizer } from '../formats/tokenizer.js';

/** Indices count from 0, or from the end where they are negative. */
export type TokenChoice =
  | 'last'
  | 'all'
  | { indices: readonly number[] }
  | { ids: readonly (readonly number[])[] };

/**
 * `last`, `all`, `3`, `-2,-1`, or a text such as `Mary`, whose tokens are meant wherever they stand in a prompt.
 * @throws InputError if it is a text and there is no tokenizer
 */
export function readTokenChoice(text: string, tokenizer: Tokenizer | null): TokenChoice {
  if (text === 'last' || text === 'all') return text;
  const parts = text.split(',').map((part) => part.trim());
  if (parts.every((part) => /^-?\d+$/.test(part))) return { indices: parts.map(Number) };
  if (!tokenizer)
    throw new InputError(`--at ${text}: there is no tokenizer; give last, all, or token indices`);
  return { ids: spellings(text, tokenizer) };
}

/**
 * Indices of the chosen tokens, ascending.
 * @param where names the prompt in messages
 * @throws InputError if the prompt has no such token
 */
export function tokensOf(choice: TokenChoice, ids: Int32Array, where: string): number[] {
  const n = ids.length;
  if (choice === 'last') return [n - 1];
  if (choice === 'all') return Array.from(ids, (_, token) => token);
  const found = new Set<number>();
  if ('indices' in choice)
    for (const index of choice.indices) {
      const token = index < 0 ? n + index : index;
      if (token < 0 || token >= n)
        throw new InputError(`--at ${index}: ${where} has the tokens 0 to ${n - 1}`);
      found.add(token);
    }
  else for (const token of placesOf(choice.ids, ids)) found.add(token);
  if (found.size === 0) throw new InputError(`--at: no such text in ${where}`);
  return [...found].sort((a, b) => a - b);
}
