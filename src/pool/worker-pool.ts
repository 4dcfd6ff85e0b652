/** Workers that are given typed jobs, be they threads or processes: what both have in common. */
import { InputError } from '../errors.js';

/** What a job's function answers: its value, or the message of an InputError, whose class would not survive the way. */
export type Answer<Result> = { value: Result } | { refused: string };

export interface WorkerPool {
  readonly workers: number;
  /** Whether what lies on shared memory is the same array on both sides; a process is sent a copy. */
  readonly sharesMemory: boolean;
  /**
   * Runs the function `name` of the workers' entry on one worker.
   * @throws InputError if the job refuses its input
   * @throws InterruptedError if the signal fires; the job's worker is ended, the other jobs go on
   */
  run<Result = void>(name: string, job: unknown, signal?: AbortSignal): Promise<Result>;
  /** Waits for what runs, then ends the workers; a second call waits for the same end. */
  close(): Promise<void>;
}

/** Worker side: makes a job's function answer as {@link WorkerPool.run} expects. */
export function answering<Job, Result>(
  work: (job: Job) => Result | Promise<Result>,
): (job: Job) => Promise<Answer<Result>> {
  return async (job) => {
    try {
      return { value: await work(job) };
    } catch (error) {
      if (error instanceof InputError) return { refused: error.message };
      throw error;
    }
  };
}

/** @throws InputError if the job refused its input */
export function resultOf<Result>(answer: Answer<Result>): Result {
  if ('refused' in answer) throw new InputError(answer.refused);
  return answer.value;
}
