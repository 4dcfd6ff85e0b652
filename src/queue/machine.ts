/** What this machine has, and how many jobs go on at once on it. */
import { coresHere } from '../cores.js';

export interface Machine {
  cores: number;
  /** Bytes that all jobs together may use. */
  memory: number;
  /** Most jobs at once; null: as many as there are cores. */
  jobs: number | null;
}

/** This machine; a container's limits count. Leaves a tenth of the free memory alone. */
export function thisMachine({
  jobs = null,
  memory = 0.9 * process.availableMemory(),
}: Partial<Pick<Machine, 'jobs' | 'memory'>> = {}): Machine {
  return { cores: coresHere(), memory, jobs };
}

/** A process with TensorFlow in it, before it has read anything. */
export const PROCESS_BYTES = 350 * 2 ** 20;

/** Weights in both orientations, bases that are as large, and what one batch leaves behind: a guess until one was measured. */
const COPIES_OF_WEIGHTS = 8;

/**
 * The memory that jobs need, learned from those that were done. Jobs of one key need the same (see `memoryKey`); the
 * guess for a key that was never measured comes from the weights.
 */
export class Footprints {
  readonly #measured = new Map<string, number>();

  bytes(key: string, weightBytes: number): number {
    return this.#measured.get(key) ?? PROCESS_BYTES + COPIES_OF_WEIGHTS * weightBytes;
  }

  /** Keeps the largest. */
  measured(key: string, bytes: number): void {
    this.#measured.set(key, Math.max(bytes, this.#measured.get(key) ?? 0));
  }
}

/**
 * How many jobs of a size go on at once, and the cores of each. Many small jobs side by side beat one on all cores, so
 * jobs are only given more than one core each where memory, or their number, leaves some over.
 * @param need of one job: bytes, and the threads that its settings ask for
 * @param jobs how many there are to do
 */
export function jobsAtOnce(
  { cores, memory, jobs: most }: Machine,
  { bytes, threads }: { bytes: number; threads: number },
  jobs: number,
): { atOnce: number; coresEach: number } {
  const fitting = Math.floor(memory / bytes);
  const abreast = Math.floor(cores / threads);
  const atOnce = Math.max(1, Math.min(most ?? abreast, abreast, fitting, jobs));
  return { atOnce, coresEach: Math.max(1, Math.floor(cores / atOnce)) };
}
