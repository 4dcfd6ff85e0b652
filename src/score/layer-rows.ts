/** Rows of one layer for one batch of passages, as they go from the forward pass to the threads that read them. */
import { Passage, Row } from '../../assembly/layout.js';
import type { Source } from './reading-basis.js';

/** Which of the two sets of statistics rows belong to. */
export const SIDES = ['clean', 'corrupted'] as const;
export type Side = (typeof SIDES)[number];

export interface LayerRows {
  layer: number;
  side: Side;
  rows: number;
  /** Passages, padded on the left to `columns` tokens. */
  batch: number;
  columns: number;
  /** Only the last column is scored. */
  lastOnly: boolean;
  sources: Partial<Record<Source, Float32Array>>;
  /** [rows, 5], see {@link describeRow}. */
  descriptions: Int32Array;
  /** Of all passages, one after the other. */
  tokens: Int32Array;
  /** [batch, 4], see {@link describePassage}. */
  passages: Int32Array;
}

/** Bytes of an i32. */
const WORD = 4;

/** Numbers that describe a row, and a passage. */
export const ROW_WORDS = Row.BYTES / WORD;
export const PASSAGE_WORDS = Passage.BYTES / WORD;

/** What is known of a row that is scored. */
export interface RowDescription {
  /** Line of the record. */
  prompt: number;
  /** Of its token in the prompt. */
  position: number;
  /** Index of its token in `tokens`. */
  token: number;
  /** Tokens of its passage before it. */
  before: number;
  /** Scored rows of its passage before it. */
  scored: number;
}

export function describeRow(descriptions: Int32Array, row: number, description: RowDescription): void {
  const set = (field: number, value: number) => {
    descriptions[(row * Row.BYTES + field) / WORD] = value;
  };
  set(Row.PROMPT, description.prompt);
  set(Row.POSITION, description.position);
  set(Row.TOKEN, description.token);
  set(Row.BEFORE, description.before);
  set(Row.SCORED, description.scored);
}

/** What is known of a passage of a batch. */
export interface PassageDescription {
  /** First column with a token, and first column that is scored. */
  first: number;
  scored: number;
  /** The row of that column. */
  row: number;
  /** Position in the prompt, less the column. */
  shift: number;
}

export function describePassage(passages: Int32Array, at: number, description: PassageDescription): void {
  const set = (field: number, value: number) => {
    passages[(at * Passage.BYTES + field) / WORD] = value;
  };
  set(Passage.FIRST, description.first);
  set(Passage.SCORED, description.scored);
  set(Passage.ROW, description.row);
  set(Passage.SHIFT, description.shift);
}

export function promptOf({ descriptions }: LayerRows, row: number): number {
  return descriptions[(row * Row.BYTES + Row.PROMPT) / WORD]!;
}

export function positionOf({ descriptions }: LayerRows, row: number): number {
  return descriptions[(row * Row.BYTES + Row.POSITION) / WORD]!;
}
