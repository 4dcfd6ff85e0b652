/**
 * What travels through Redis, and its checks. Whatever comes from there is taken for text and numbers: nothing is run,
 * no path is made of it but one below the receiver's own folder, and what is shown is stripped of control characters.
 */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { InputError } from '../errors.js';
import { sha256 } from '../formats/file-hash.js';
import { inputErrorOf } from '../formats/schema-error.js';
import { type Job, type JobKind, type JobModel, jobId, jobSchema } from './job.js';

/** Before every key of ours in Redis. */
export const PREFIX = 'orthoscope';

/** Control characters could steer a terminal. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/g;

/** Text that can be shown: one line without control characters. */
export function shownText(value: unknown, longest = 300): string {
  return String(value).replace(CONTROL, ' ').slice(0, longest);
}

const text = z.string().transform((value) => shownText(value));

/** Seen by coordinators. */
export const jobProgress = z.object({
  worker: text,
  event: z.object({
    stage: text,
    done: z.number(),
    total: z.number(),
    note: text.optional(),
  }),
});

/** How what a job yields comes back: its bundle lies in Redis, or its folder in a shared one. */
export const jobResult = z.strictObject({
  worker: text,
  delivered: z.enum(['redis', 'shared']),
  /** Of the bundle. */
  hash: sha256,
});
export type JobResult = z.infer<typeof jobResult>;

/**
 * A job, from a queue.
 * @param kinds that can be done here
 * @throws InputError if it is not of these kinds, or its id is not that of its contents
 */
export function parseJob(data: unknown, kinds: readonly JobKind[]): { job: Job; kind: JobKind } {
  const [first, ...others] = kinds.map(jobSchema);
  const result = z.discriminatedUnion('kind', [first!, ...others]).safeParse(data);
  if (!result.success) {
    const { message } = inputErrorOf(result.error, 'the job is not one that this version does', data);
    throw new InputError(shownText(message));
  }
  const job: Job = result.data;
  const kind = kinds.find(({ name }) => name === job.kind)!;
  if (jobId(kind, job.model, job.settings) !== job.id)
    throw new InputError("the job's id is not that of its settings");
  return { job, kind };
}

/** A queue for each model, so that a worker is only handed jobs of models that it holds. */
export function queueName({ hash, tokenizer }: JobModel): string {
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
