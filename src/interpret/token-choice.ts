/** Which tokens of a prompt are meant: the last, all, some by index, or those that spell a text. */
import { InputError } from '../errors.js';
import { placesOf, spellings, type TokenPair } from '../formats/token-pairs.js';
import type { Tokenizer } from '../formats/tokenizer.js';
import { tokenClasses } from './token-classes.js';

/** Indices count from 0, or from the end where they are negative. */
export type TokenChoice =
  | 'last'
  | 'all'
  | { indices: readonly number[] }
  | { ids: readonly (readonly number[])[] }
  | { class: string };

/**
 * `last`, `all`, `3`, `-2,-1`, `class:answer` (docs/reading.md, "Roles of QK directions"), or a text such as `Mary`,
 * whose tokens are meant wherever they stand in a prompt.
 * @throws InputError if it is a text and there is no tokenizer
 */
export function readTokenChoice(text: string, tokenizer: Tokenizer | null): TokenChoice {
  if (text === 'last' || text === 'all') return text;
  if (text.startsWith('class:')) return { class: text.slice('class:'.length) };
  const parts = text.split(',').map((part) => part.trim());
  if (parts.every((part) => /^-?\d+$/.test(part))) return { indices: parts.map(Number) };
  if (!tokenizer)
    throw new InputError(`--at ${text}: there is no tokenizer; give last, all, or token indices`);
  return { ids: spellings(text, tokenizer) };
}

/**
 * Indices of the chosen tokens, ascending.
 * @param where names the prompt in messages
 * @param classes of the prompt's tokens, where they are known
 * @throws InputError if the prompt has no such token
 */
export function tokensOf(
  choice: TokenChoice,
  ids: Int32Array,
  where: string,
  classes?: readonly string[],
): number[] {
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
  else if ('ids' in choice) for (const token of placesOf(choice.ids, ids)) found.add(token);
  else {
    classes?.forEach((name, token) => {
      if (name === choice.class) found.add(token);
    });
    if (found.size === 0)
      throw new InputError(
        `--at class:${choice.class}: ${where} has no such token${classes ? `; it has ${[...new Set(classes)].join(', ')}` : ''}`,
      );
  }
  if (found.size === 0) throw new InputError(`--at: no such text in ${where}`);
  return [...found].sort((a, b) => a - b);
}

/** Chosen tokens of a pair's prompts, ascending. @throws InputError if a prompt has no such token */
export type ChooseTokens = (pair: TokenPair, prompt: 'clean' | 'corrupted') => number[];

/** @param task name of the task that prompts are of, if of one: it says what classes their tokens have */
export function chooser(choice: TokenChoice, tokenizer: Tokenizer | null, task: string | null): ChooseTokens {
  return (pair, prompt) => {
    const where = `${prompt === 'corrupted' ? 'the corrupted prompt of ' : ''}pair "${pair.id}"`;
    const ids = pair[prompt]!;
    if (typeof choice === 'string' || !('class' in choice)) return tokensOf(choice, ids, where);
    const [classes] = tokenClasses([pair], tokenizer, task);
    // A corrupted prompt has its own words where the clean one has its: only their places say what they are.
    if (prompt === 'corrupted' && ids.length !== pair.clean.length)
      throw new InputError(
        `--at class:${choice.class}: ${where} has ${ids.length} tokens, the clean one ${pair.clean.length}`,
      );
    return tokensOf(choice, ids, where, classes);
  };
}
