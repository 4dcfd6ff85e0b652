/** Sequences in which nothing but repetition can be seen: random tokens, and the same ones again. */
import { InputError } from '../errors.js';
import type { Random } from '../random.js';

export interface GenericSequences {
  /** Token ids of each: `lead`, `length` different tokens, the same once more. */
  sequences: Int32Array[];
  /** Tokens in front, such as the one that begins texts. */
  lead: number;
  /** Tokens of one round. */
  length: number;
}

/** Where a token that was there before can look, apart from itself. */
export const PATTERNS = ['previous', 'duplicate', 'induction', 'first'] as const;
export type Pattern = (typeof PATTERNS)[number];

export interface SequenceRequest {
  /** Tokens are drawn from those below. */
  nVocab: number;
  /** Ids that begin every text. */
  lead: readonly number[];
  /** Most tokens that the model takes. */
  nPositions: number;
  count: number;
  length: number;
}

/** @throws InputError if two rounds do not fit the model, or there are too few tokens */
export function genericSequences(
  { nVocab, lead, nPositions, count, length }: SequenceRequest,
  random: Random,
): GenericSequences {
  const ids = Array.from({ length: nVocab }, (_, id) => id).filter((id) => !lead.includes(id));
  const most = Math.min(Math.floor((nPositions - lead.length) / 2), ids.length);
  if (length > most)
    throw new InputError(`--length ${length}: twice that must fit the model's context; give at most ${most}`);
  const sequences = Array.from({ length: count }, () => {
    const round = random.sample(ids, length);
    return Int32Array.from([...lead, ...round, ...round]);
  });
  return { sequences, lead: lead.length, length };
}

/**
 * Tokens whose attention is looked at: those of the second round but its ends, so that no two patterns have the same key.
 */
export function lookingTokens({ lead, length }: GenericSequences): number[] {
  return Array.from({ length: length - 2 }, (_, at) => lead + length + 1 + at);
}

/** The key of each pattern for a query of the second round. */
export function keyOf(pattern: Pattern, query: number, { length }: GenericSequences): number {
  return { previous: query - 1, duplicate: query - length, induction: query - length + 1, first: 0 }[pattern];
}
