/** Prompt pairs as token ids: what the model runs on. */
import { createHash } from 'node:crypto';
import { InputError } from '../errors.js';
import type { PromptPair } from './prompt-pairs.js';
import type { Tokenizer } from './tokenizer.js';

/** A prompt pair as token ids of a model. */
export interface TokenPair {
  id: string;
  group?: string;
  /** Token ids of the prompt; the model is asked what follows the last. */
  clean: Int32Array;
  /** Null where none is given. */
  corrupted: Int32Array | null;
  /** First tokens of the answers, each once; empty where there is no answer. */
  answers: Int32Array;
  distractors: Int32Array;
  /** Class of each of the clean prompt's tokens, where the pair says so. */
  classes?: readonly (string | undefined)[];
}

/** What the model can take. */
interface Limits {
  nVocab: number;
  /** Longest prompt, in tokens. */
  nPositions: number;
}

/**
 * Encodes prompts and answers. An answer given as text becomes the first token that it takes after the clean prompt.
 * @param tokenizer null where the model has none: then everything must be given as ids
 * @param source the pairs' file, for messages
 * @throws InputError naming the pair: text without a tokenizer, an answer the tokenizer does not know,
 *   an id outside the vocabulary (a tokenizer may have more tokens than the model), a prompt that is too long
 */
export function encodePairs(
  pairs: readonly PromptPair[],
  tokenizer: Tokenizer | null,
  { nVocab, nPositions }: Limits,
  source?: string,
): TokenPair[] {
  return pairs.map(({ id, group, clean, corrupted, answers, distractors, classes }, i) => {
    encodePairsAhead(pairs, i, tokenizer);
    const where = `${source === undefined ? '' : `${source}: `}pair "${id}"`;
    const prompt = (value: string | number[], column: string): Int32Array => {
      const ids = typeof value === 'string' ? need(tokenizer, where).encode(value) : value;
      if (ids.length === 0) throw new InputError(`${where}: the ${column} prompt has no tokens`);
      if (ids.length > nPositions)
        throw new InputError(
          `${where}: the ${column} prompt has ${ids.length} tokens, the model takes ${nPositions}`,
        );
      return Int32Array.from(ids, (token) => inVocabulary(token, nVocab, where));
    };
    const firstTokens = (values: string[] | number[]): Int32Array => {
      const tokens = values.map((value) =>
        typeof value === 'string' ? firstToken(value, clean, need(tokenizer, where), where) : value,
      );
      return Int32Array.from(new Set(tokens), (token) => inVocabulary(token, nVocab, where));
    };
    const ids = prompt(clean, 'clean');
    return {
      id,
      ...(group !== undefined && { group }),
      clean: ids,
      corrupted: corrupted === undefined ? null : prompt(corrupted, 'corrupted'),
      answers: firstTokens(answers),
      distractors: firstTokens(distractors),
      ...(classes && { classes: classesOf(classes, ids, tokenizer, `${where}: "token_classes"`) }),
    };
  });
}

/** A pair may have a hundred answers, each encoded behind its prompt. */
const PAIRS_AT_ONCE = 100;

/** Encodes the texts of a pair and of those behind it, for a loop over the pairs that asks for them one by one. */
export function encodePairsAhead(
  pairs: readonly PromptPair[],
  at: number,
  tokenizer: Tokenizer | null,
): void {
  if (at % PAIRS_AT_ONCE === 0)
    tokenizer?.encodeAhead(pairs.slice(at, at + PAIRS_AT_ONCE).flatMap(textsOfPair));
}

/** What {@link encodePairs} has encoded of a pair, but for its classes. */
export function textsOfPair({
  clean,
  corrupted,
  answers,
  distractors,
}: Pick<PromptPair, 'clean' | 'corrupted' | 'answers' | 'distractors'>): string[] {
  const words = typeof clean === 'string' ? [...answers, ...distractors] : [];
  return [clean, corrupted, ...words.map((word) => (typeof word === 'string' ? clean + word : word))].filter(
    (each) => typeof each === 'string',
  );
}

/** SHA-256, hex, of what a model sees of the pairs: their tokens in their order, not their names. */
export function hashPairs(pairs: readonly TokenPair[]): string {
  const hash = createHash('sha256');
  for (const { clean, corrupted, answers, distractors } of pairs) {
    const ids = [clean, corrupted, answers, distractors].map((tokens) => tokens && [...tokens]);
    hash.update(`${JSON.stringify(ids)}\n`);
  }
  return hash.digest('hex');
}

function classesOf(
  classes: NonNullable<PromptPair['classes']>,
  ids: Int32Array,
  tokenizer: Tokenizer | null,
  where: string,
): (string | undefined)[] {
  const found = new Array<string | undefined>(ids.length).fill(undefined);
  for (const [name, tokens] of Object.entries(classes))
    for (const token of tokens) {
      const at =
        typeof token === 'number' ? [token] : placesOf(spellings(token, need(tokenizer, where)), ids);
      if (at.length === 0) throw new InputError(`${where}: the clean prompt has no ${JSON.stringify(token)}`);
      for (const index of at) {
        if (index >= ids.length)
          throw new InputError(
            `${where}: the clean prompt has the tokens 0 to ${ids.length - 1}, not ${index}`,
          );
        found[index] = name;
      }
    }
  return found;
}

/** Tokens of a prompt that one of the spans of ids stands at, ascending. */
export function placesOf(spans: readonly (readonly number[])[], ids: ArrayLike<number>): number[] {
  const found = new Set<number>();
  for (const span of spans)
    for (let start = 0; start + span.length <= ids.length; start++)
      if (span.every((id, i) => ids[start + i] === id))
        for (let i = 0; i < span.length; i++) found.add(start + i);
  return [...found].sort((a, b) => a - b);
}

/** A word at the beginning of a text, and within it. */
export function formsOf(word: string): string[] {
  return [word, ` ${word.trimStart()}`];
}

/**
 * Spans of ids that spell a text: a word is spelled one way at the beginning of a text and another one within it. None
 * where the tokenizer lacks it.
 */
export function spellings(text: string, tokenizer: Tokenizer): number[][] {
  return formsOf(text).flatMap((word) => {
    try {
      const ids = tokenizer.encodeBare(word);
      return ids.length > 0 && !ids.includes(tokenizer.unknownId ?? -1) ? [ids] : [];
    } catch (error) {
      if (error instanceof InputError) return [];
      throw error;
    }
  });
}

function need(tokenizer: Tokenizer | null, where: string): Tokenizer {
  if (tokenizer === null)
    throw new InputError(
      `${where}: is given as text, but the model's folder has no tokenizer.json (transformers' save_pretrained makes it of other files); give token ids ("clean_ids", "answer_id", …)`,
    );
  return tokenizer;
}

function firstToken(answer: string, clean: string | number[], tokenizer: Tokenizer, where: string): number {
  if (typeof clean !== 'string')
    throw new InputError(`${where}: prompts given as token ids need their answers as ids, too`);
  const [token] = tokenizer.continuation(clean, answer);
  if (token === undefined || token === tokenizer.unknownId)
    throw new InputError(`${where}: the tokenizer does not know the answer ${JSON.stringify(answer)}`);
  return token;
}

function inVocabulary(token: number, nVocab: number, where: string): number {
  if (!Number.isInteger(token) || token < 0 || token >= nVocab)
    throw new InputError(`${where}: token ${token} is outside the vocabulary (0 to ${nVocab - 1})`);
  return token;
}
