/** What goes between a pool of another machine and whoever gives it jobs. */
import { z } from 'zod';

/** Milliseconds between signs of life of the machine that does the jobs. */
export const BEAT = 5000;
/** So many of them missed in a row mean that it is gone. */
export const MISSED_BEATS = 6;

const id = z.int().nonnegative();

/** To the machine that does the jobs: first what is wanted of it, then jobs. */
export const request = z.union([
  z.strictObject({ hello: z.unknown() }),
  z.strictObject({ id, name: z.string(), job: z.unknown() }),
  /** Ends the worker that is at this job. */
  z.strictObject({ cancel: id }),
  /** All is done: it ends its workers, then the connection. */
  z.strictObject({ bye: z.literal(true) }),
]);
export type Request = z.infer<typeof request>;

/** Whether it went well: `refused` is input that is wrong, `thrown` a fault. */
const outcome = z.union([
  z.strictObject({ refused: z.string() }),
  z.strictObject({ thrown: z.string() }),
  // A job that answers nothing sends none.
  z.strictObject({ value: z.unknown().optional() }),
]);
export type Outcome = z.infer<typeof outcome>;

/** Back from it. */
export const reply = z.union([
  z.strictObject({ beat: z.literal(true) }),
  /** To the hello: how many jobs it does at once. */
  z.strictObject({ workers: z.int().positive() }),
  z.strictObject({ refused: z.string() }),
  z.strictObject({ id, outcome }),
]);
export type Reply = z.infer<typeof reply>;
