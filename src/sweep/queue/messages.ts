/**
 * What travels through Redis, and its checks. Whatever comes from there is taken for text and numbers: nothing is run,
 * no path is made of it but one below the receiver's own folder, and what is shown is stripped of control characters.
 */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { inputErrorOf } from '../../formats/schema-error.js';
import { sha256 } from '../data-file.js';
import { anyJob, type Job, jobId } from '../job.js';

/** Before every key of ours in Redis. */
export const PREFIX = 'orthoscope';

/** Control characters could steer a terminal. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/g;

/** Text for the eye: one line without control characters. */
export function shownText(value: unknown, longest = 300): string {
  return String(value).replace(CONTROL, ' ').slice(0, longest);
}

const text = z.string().transform((value) => shownText(value));

/** Seen by whoever follows a run. */
export const runProgress = z.object({
  worker: text,
  event: z.object({
    stage: text,
    done: z.number(),
    total: z.number(),
    note: text.optional(),
  }),
});

/** How what a job yields comes back: its bundle lies in Redis, or its folder in a shared one. */
export const runResult = z.strictObject({
  worker: text,
  delivered: z.enum(['redis', 'shared']),
  /** Of the bundle. */
  hash: sha256,
});
export type RunResult = z.infer<typeof runResult>;

/**
 * A job, from a queue.
 * @throws Error if it is none that this version knows, or its id is not that of its contents
 */
export function parseJob(data: unknown): Job {
  const result = anyJob.safeParse(data);
  if (!result.success)
    throw new Error(
      shownText(inputErrorOf(result.error, 'the job is not one that this version does', data).message),
    );
  if (jobId(result.data) !== result.data.id) throw new Error("the job's id is not that of its settings");
  return result.data;
}

/** A queue for each model, so that a worker is only handed runs of models that it holds. */
export function queueName({ hash, tokenizer }: Job['model']): string {
  return createHash('sha256')
    .update(`${hash}/${tokenizer ?? 'no tokenizer'}`)
    .digest('hex')
    .slice(0, 16);
}

export const dataKey = (hash: string): string => `${PREFIX}:data:${hash}`;
export const resultKey = (id: string, hash: string): string => `${PREFIX}:result:${id}:${hash}`;

/** Bytes that Redis takes for one value at most. */
export const LARGEST_VALUE = 512 * 2 ** 20;

/** Seconds that data, results and finished jobs stay in Redis: time enough to come back after a long weekend. */
export const KEPT = 7 * 24 * 3600;
