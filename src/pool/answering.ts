/**
 * The threads' side of jobs. It stands by itself so that a thread does not load what starts threads, some 10 ms of its
 * start.
 */
import { InputError } from '../errors.js';

/** What a job's function answers: its value, or the message of an InputError, whose class would not survive the way. */
export type Answer<Result> = { value: Result } | { refused: string };

/** Makes a job's function answer as `Threads.run` expects. */
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
