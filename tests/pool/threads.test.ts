import { expect, it } from 'vitest';
import { InterruptedError } from '../../src/errors.js';
import { openThreads } from '../../src/pool/threads.js';

it('starts no threads for a job that comes after the end', async () => {
  const threads = openThreads({ file: 'src/decompose/decompose-thread.js', workers: 1 });
  await threads.close();
  await expect(threads.run('decompose', {})).rejects.toThrow(InterruptedError);
  await threads.close();
});
