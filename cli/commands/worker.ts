/** `orthoscope worker`: takes runs of sweeps, and shards of scorings, from a queue until it is told to stop. */
import { join, resolve } from 'node:path';
import type { CommandModule } from 'yargs';
import { work } from '../../src/commands/worker.js';
import { InputError } from '../../src/errors.js';
import { packageFile } from '../../src/package-file.js';
import { MOST_THREADS } from '../../src/pool/threads.js';
import { thisMachine } from '../../src/queue/machine.js';
import { inContext } from '../context.js';
import { type Flags, redisFlag, redisUrl, runsMemory, whole } from '../options.js';

export const workerCommand: CommandModule<object, Flags> = {
  command: 'worker',
  describe: 'Take runs of sweeps and shards of scorings from a queue (docs/sweeps.md)',
  builder: (yargs) =>
    yargs.options({
      ...redisFlag,
      model: { type: 'string', array: true, describe: 'Folder or hub id; repeatable (the embedded model)' },
      root: { type: 'string', default: 'worker', describe: 'Folder for runs underway, of this worker alone' },
      shared: {
        type: 'string',
        describe: "The sweep's folder on a shared disk, for results (through Redis)",
      },
      store: { type: 'string', describe: 'Folder of stored decompositions (in the cache by default)' },
      jobs: { type: 'number', describe: 'Most runs at once (one a core by default)' },
      memory: { type: 'string', describe: 'What all runs together may use (nine tenths of what is free)' },
      lease: {
        type: 'number',
        default: 30,
        describe: 'Seconds of silence after which its runs go to others',
      },
      'idle-exit': { type: 'number', describe: 'End after so many seconds without work (never by default)' },
    }),
  handler: (flags) =>
    inContext(flags, async (context) => {
      const url = redisUrl(flags);
      if (url === null) throw new InputError('--redis is missing: give its URL, or set ORTHOSCOPE_REDIS');
      const models = (flags.model as string[] | undefined) ?? [packageFile('models/embedded')];
      const memory = runsMemory(flags);
      const path = (name: string) => (flags[name] === undefined ? null : resolve(flags[name] as string));
      const { done } = await work(
        {
          url,
          models,
          root: flags.root as string,
          shared: path('shared'),
          store: path('store'),
          machine: thisMachine({
            jobs: flags.jobs === undefined ? null : whole(flags.jobs, 'jobs', 1, MOST_THREADS),
            ...(memory !== null && { memory }),
          }),
          lease: whole(flags.lease, 'lease', 1, 86_400),
          idleExit: flags.idleExit === undefined ? null : whole(flags.idleExit, 'idle-exit', 0),
        },
        context,
      );
      context.result(
        { done },
        `${done} runs done; their folders are kept in ${join(flags.root as string, 'runs')}`,
      );
    }),
};
