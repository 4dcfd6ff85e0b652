/** How long calls let a signal be heard: nothing else does while an engine computes without a pause. */
import { setImmediate } from 'node:timers/promises';
import { throwIfAborted } from './errors.js';

/** Milliseconds between two turns of the event loop; computing that is done in less needs none. */
const PAUSE = 20;

let last = 0;

/**
 * Lets Ctrl-C and the like come in.
 * @throws InterruptedError if the signal has fired
 */
export async function heed(signal: AbortSignal | undefined): Promise<void> {
  if (!signal) return;
  if (performance.now() - last > PAUSE) {
    await setImmediate();
    last = performance.now();
  }
  throwIfAborted(signal);
}

/** Work in steps; what it holds is freed in its `finally` blocks if it is broken off between two of them. */
export type Steps<T> = Generator<void, T>;

/** All steps without a pause. */
export function inOneGo<T>(steps: Steps<T>): T {
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
  }
}

/**
 * All steps, with an ear between them.
 * @throws InterruptedError if the signal has fired
 */
export async function heeding<T>(steps: Steps<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return inOneGo(steps);
  try {
    for (;;) {
      const { done, value } = steps.next();
      if (done) return value;
      await heed(signal);
    }
  } finally {
    steps.return(undefined as never);
  }
}
