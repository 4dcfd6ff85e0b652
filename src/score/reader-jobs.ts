/** What travels between the scorer and the threads that read. */
import type { ReadValues } from './direction-reader.js';
import type { LayerRows, Side } from './layer-rows.js';
import type { ReadingBasis } from './reading-basis.js';
import type { ExampleSizes } from './statistics-state.js';

interface OpenJob {
  job: 'open';
  bases: ReadingBasis[];
  sizes: ExampleSizes;
}

interface ReadJob {
  job: 'read';
  rows: LayerRows;
  /** Whether the values are wanted, too. */
  keep: boolean;
}

/** Copies the statistics out, or goes on from others. */
interface StatesJob {
  job: 'save' | 'restore';
  side: Side;
  /** On shared memory. */
  states: Uint8Array;
}

interface ClearJob {
  job: 'clear';
}

/** One function receives all kinds, so that a thread does them in the order in which they were sent. */
export type ReaderJob = OpenJob | ReadJob | StatesJob | ClearJob;

export interface ReaderAnswer {
  /** Empty unless values were wanted; else one entry per basis of the layer. */
  values: ReadValues[];
  /** Seconds that the thread worked. */
  seconds: number;
}
