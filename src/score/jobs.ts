/** What travels between the scorer and its threads. */
import type { LayerRows, ReadingBasis, ReadValues } from '../kernels/reader.js';
import type { ExampleSizes } from '../kernels/statistics-state.js';

export interface OpenJob {
  job: 'open';
  bases: ReadingBasis[];
  sizes: ExampleSizes;
}

export interface ReadJob {
  job: 'read';
  rows: LayerRows;
  /** Whether the values are wanted, too. */
  keep: boolean;
}

/** Copies the statistics out, or goes on from others. */
export interface StatesJob {
  job: 'save' | 'restore';
  side: LayerRows['side'];
  /** On shared memory. */
  states: Uint8Array;
}

export interface ClearJob {
  job: 'clear';
}

/** All come to one function, so that they are done in the order in which they were sent. */
export type Job = OpenJob | ReadJob | StatesJob | ClearJob;

export interface JobResult {
  /** Empty unless values were wanted; else one entry a basis of the layer. */
  values: ReadValues[];
  /** Seconds that the thread worked. */
  seconds: number;
}
