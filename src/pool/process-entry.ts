/** What runs in a process of a pool: it loads the entry that it is given and does the jobs that it is sent, one at a time. */
import { pathToFileURL } from 'node:url';
import type { Call, Reply } from './processes.js';
import type { Answer } from './worker-pool.js';

// Ctrl-C reaches the whole group of processes; the parent decides what it means.
process.on('SIGINT', () => {});
// Without a parent nobody takes the result.
process.on('disconnect', () => process.exit());

process.on('message', async (call: Call) => {
  const reply = await replyTo(call);
  if (process.connected) process.send!(reply);
});

async function replyTo({ name, job }: Call): Promise<Reply> {
  try {
    const jobs = (await import(pathToFileURL(process.argv[2]!).href)) as Record<
      string,
      (job: unknown) => Promise<Answer<unknown>>
    >;
    return await jobs[name]!(job);
  } catch (thrown) {
    return { thrown };
  }
}
