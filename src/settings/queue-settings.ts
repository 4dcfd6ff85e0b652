/** Settings of sweeps, of scoring over a queue, and of the workers that take from it or share a training's batches. */
import { EMBEDDED } from '../formats/model-folder.js';
import { address } from './address.js';
import { flag, listOf, text, whole } from './schemas.js';
import { shardSchema, shardText } from './score-settings.js';
import { table } from './table.js';

const path = text.nullable();

const redis = {
  schema: path,
  default: null,
  otherwise: 'what ORTHOSCOPE_REDIS says, where nobody sees it',
  describe: 'URL of the queue, redis:// or rediss://',
} as const;

export const queueSettings = table(
  { group: 'Queue', determines: false },
  {
    redis,
    local: { schema: flag, default: false, describe: 'On this machine, though ORTHOSCOPE_REDIS is set' },
  },
);

export const shardsSettings = table(
  { group: 'Queue', determines: false },
  {
    // Enough for a few workers of unequal speed, and few enough readings of the data.
    shards: { schema: whole(2, 10_000), default: 8, describe: 'Parts of the data that workers are handed' },
  },
);

export const planShardSettings = table(
  { group: 'Queue', determines: false },
  {
    shard: {
      schema: shardSchema.nullable(),
      default: null,
      text: shardText,
      otherwise: 'the whole plan',
      describe: 'Only this part of so many, e.g. 2/4',
    },
  },
);

export const queueWorkerSettings = table(
  { group: 'Queue', determines: false },
  {
    redis,
    listen: {
      schema: address.nullable(),
      default: null,
      otherwise: 'takes from the queue',
      describe:
        'HOST:PORT on which it shares the batches of others that name it with --share; a PORT alone is of this machine only',
    },
    model: {
      schema: listOf(text),
      default: [EMBEDDED],
      repeatable: true,
      describe: 'Folder or hub id of a model whose work it takes; repeatable',
    },
    root: {
      schema: text,
      default: 'worker',
      path: true,
      describe: 'Folder for runs underway, of this worker alone',
    },
    shared: {
      schema: path,
      default: null,
      path: true,
      otherwise: 'through Redis',
      describe: "The sweep's folder on a shared disk, for results",
    },
    lease: {
      schema: whole(1, 86_400),
      default: 30,
      describe: 'Seconds of silence after which its runs go to others',
    },
    idleExit: {
      schema: whole(0).nullable(),
      default: null,
      otherwise: 'never',
      describe: 'End after so many seconds without work',
    },
  },
);
