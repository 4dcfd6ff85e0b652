import { existsSync, readdirSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { InterruptedError } from '../../src/errors.js';
import { openThreads } from '../../src/pool/threads.js';

it('starts no threads for a job that comes after the end', async () => {
  const threads = openThreads({ file: 'src/decompose/decompose-thread.js', workers: 1 });
  await threads.close();
  await expect(threads.run('decompose', {})).rejects.toThrow(InterruptedError);
  await threads.close();
});

const tasks = '/proc/self/task';
it.skipIf(!existsSync(tasks))(
  'leaves no thread behind where one takes longer to end than the pool (skipped where no system counts threads)',
  async () => {
    const threads = openThreads({ file: '../tests/support/slow-to-end.mjs', workers: 2 });
    expect(await threads.run('ready', null)).toBe('ready');
    const before = readdirSync(tasks).length;
    const abort = new AbortController();
    const hoarding = threads.run('hoard', null, abort.signal);
    // Time to hoard: what there is to clear away makes the end late.
    setTimeout(() => abort.abort(), 900);
    await expect(hoarding).rejects.toThrow(InterruptedError);
    await threads.close();
    await delay(1000);
    expect(readdirSync(tasks).length).toBe(before - 2);
  },
);
