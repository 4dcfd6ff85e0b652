/** How long work reports itself: plain events, so that no library code knows about terminals. */

/** How far work has come. */
export interface ProgressEvent {
  /** What is being done, e.g. `decompose` or `train`. A new stage ends the one before. */
  stage: string;
  /** Units done so far, 0 … total. */
  done: number;
  total: number;
  /** Share of the work that is done, 0 … 1, where units differ in cost: for bars and estimates of time. */
  share?: number;
  /** A short live remark, e.g. `kl 0.031  Σm 812`. */
  note?: string;
}

export type OnProgress = (event: ProgressEvent) => void;

/** What every long call accepts. */
export interface LongCall {
  onProgress?: OnProgress;
  signal?: AbortSignal;
}

/** What every command accepts. */
export interface Listener extends LongCall {
  /** Plain remarks on what is used and why, for the log. */
  onNote?: (line: string) => void;
}
