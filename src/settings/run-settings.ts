/** Settings of runs but for training: the model, the prompts, what is masked and how, evaluation, machine, folder. */
import { z } from 'zod';
import { parseByteSize } from '../formats/byte-size.js';
import { LEAST_SEED, MOST_SEED } from '../random.js';
import { MOST_PAIRS } from '../tasks/task.js';
import { TASKS } from '../tasks/tasks.js';
import { address } from './address.js';
import {
  BASES,
  BOS_CHOICES,
  DEFAULT_QK_SPLIT,
  ENGINE_CHOICES,
  KINDS,
  POSITIONS,
  QK_SPLITS,
  REPLACEMENTS,
  STORE_DTYPES,
  WEIGHT_FORMS,
} from './choices.js';
import { flag, listOf, number, oneOf, place, text, whole, word } from './schemas.js';
import { defaultsOf, table, type Values } from './table.js';

/** More than any context holds. */
const MOST_OFFSETS = 1_000_000;
/** More would only be a slip of the finger. */
const MOST_THREADS = 1024;

const seed = whole(LEAST_SEED, MOST_SEED);
const pairs = whole(0, MOST_PAIRS).nullable();
const path = text.nullable();

export const modelSettings = table(
  { group: 'Model', determines: true },
  {
    model: {
      schema: place,
      recorded: false,
      positional: true,
      describe: 'Folder or hub id; "embedded" is the one that comes along',
    },
  },
);

/** Where a run may stand for its model, masks and settings. */
export const sourceSettings = table(
  { group: 'Model', determines: true },
  {
    run: {
      schema: place,
      recorded: false,
      positional: true,
      describe: 'Folder of a run; or a model, folder or hub id',
    },
    model: {
      schema: path,
      default: null,
      recorded: false,
      otherwise: 'where it was',
      describe: "Where the run's model lies now",
    },
  },
);

/** What is read of a model, and how. */
export const subjectSettings = table(
  { group: 'Model', determines: true },
  {
    form: { schema: oneOf(WEIGHT_FORMS), default: 'reference', describe: 'Weight form that is decomposed' },
    qkSplit: {
      schema: oneOf(QK_SPLITS),
      default: DEFAULT_QK_SPLIT.by,
      describe:
        'Split of QK where positions are rotary: rank-one directions, planes, or the SVD at one offset',
    },
    rotaryOffsets: {
      schema: whole(0, MOST_OFFSETS),
      default: DEFAULT_QK_SPLIT.offsets,
      describe: 'Offsets that the rotary split averages over; with --qk-split offset, the one offset',
    },
    bos: {
      schema: oneOf(BOS_CHOICES),
      default: 'auto',
      describe: 'Beginning-of-text token before prompts (auto: as the tokenizer says)',
    },
  },
);

export const promptSettings = table(
  { group: 'Prompts', determines: true },
  {
    task: {
      schema: oneOf(TASKS.map(({ name }) => name)).nullable(),
      default: null,
      describe: 'Generated prompts',
    },
    corruption: {
      schema: text.nullable(),
      default: null,
      otherwise: "the paper's",
      describe: "How a task's corrupted prompts are made",
    },
    templates: {
      schema: listOf(word).nullable(),
      default: null,
      none: 'all',
      describe: "Ids of the task's sentences to use, e.g. lasted",
    },
    data: {
      schema: path,
      default: null,
      path: true,
      describe: 'Prompt pairs: a file (JSONL, JSON, CSV or Parquet), a folder or a pattern of them',
    },
    columns: {
      schema: text.nullable(),
      default: null,
      describe: 'Which column of the files holds what, e.g. "answer= {country}"',
    },
    validation: { schema: path, default: null, path: true, describe: 'File of prompt pairs to validate on' },
    test: { schema: path, default: null, path: true, describe: 'File of prompt pairs to evaluate on' },
    trainPairs: sizeOf('training'),
    validationPairs: sizeOf('validation'),
    testPairs: sizeOf('test'),
    seed: {
      schema: seed,
      default: 0,
      describe: 'Seed of every random choice: prompts, their order, controls',
    },
  },
);

function sizeOf(split: string) {
  return {
    schema: pairs,
    default: null,
    otherwise: "the paper's",
    describe: `Size of a task's ${split} split`,
  };
}

export const componentSettings = table(
  { group: 'Masks', determines: true },
  {
    components: {
      schema: listOf(oneOf(KINDS)).nullable(),
      default: null,
      none: 'all',
      describe: 'Kinds of component to mask',
    },
  },
);

export const maskingSettings = table(
  { group: 'Masks', determines: true },
  {
    positions: {
      schema: oneOf(POSITIONS),
      default: 'last',
      describe: 'Positions where OV and MLP masks act',
    },
    replacement: {
      schema: oneOf(REPLACEMENTS),
      default: 'interchange',
      describe: 'What a masked-out coefficient becomes',
    },
    basis: { schema: oneOf(BASES), default: 'svd', describe: 'Directions that are masked' },
    basisSeed: { schema: seed, default: 0, describe: 'Seed of a random basis' },
    basisFile: {
      schema: path,
      default: null,
      path: true,
      describe: 'Of a loaded basis: safetensors file with its directions',
    },
  },
);

export const evaluateSettings = table(
  { group: 'Evaluation', determines: true },
  {
    threshold: {
      schema: number({ from: 0, below: 1 }),
      default: 0.5,
      describe: 'A direction is in the circuit if its mask is above this',
    },
    controlSeeds: {
      schema: whole(0, 1000),
      default: 5,
      describe: 'Draws of each random control (0: no controls)',
    },
    controlPairs: {
      schema: whole(1),
      default: 200,
      describe: 'Most pairs that controls are measured on, from all parts of the split',
    },
    level: {
      schema: number({ above: 0, below: 1 }),
      default: 0.95,
      describe: 'Coverage of the bootstrap intervals',
    },
    resamples: { schema: whole(1, 1e6), default: 1000, describe: 'Bootstrap resamples' },
  },
);

export type EvaluateSettings = Values<typeof evaluateSettings>;
export const EVALUATE_DEFAULTS: Readonly<EvaluateSettings> = defaultsOf(evaluateSettings);

export const storeSettings = table(
  { group: 'Machine', determines: true },
  {
    storeDtype: {
      schema: oneOf(STORE_DTYPES),
      default: 'f32',
      describe: 'Number format of stored directions; f16 takes half the disk and rounds',
    },
  },
);

export const engineSettings = table(
  { group: 'Machine', determines: true },
  { engine: { schema: oneOf(ENGINE_CHOICES), default: 'auto', describe: 'What computes' } },
);

/** Results follow the number of threads in their last digits, where they share a batch. */
export const workerSettings = table(
  { group: 'Machine', determines: true },
  {
    workers: {
      schema: whole(1, MOST_THREADS).nullable(),
      default: null,
      // A manifest notes how many really shared a batch.
      recorded: false,
      otherwise: 'one per core decomposes, one trains',
      describe: 'Threads that decompose and, on wasm, train; on native-gpu, GPUs that train',
    },
  },
);

/** Not recorded: a result follows from how many workers there are, not from where. */
export const shareSettings = table(
  { group: 'Machine', determines: false },
  {
    share: {
      schema: listOf(address).nullable(),
      default: null,
      otherwise: 'this machine alone',
      describe: 'HOST:PORT of machines that share every batch: each runs "orthoscope worker --listen"',
    },
  },
);

const AMOUNT = 'give an amount with its unit, such as 4GB or 512MiB';

/** In bytes. */
const amount = {
  schema: z.int(AMOUNT).min(1, AMOUNT).nullable(),
  default: null,
  text: { read: parseByteSize, write: (bytes: number) => `${bytes}B` },
} as const;

const store = {
  schema: path,
  default: null,
  path: true,
  otherwise: 'in the cache',
  describe: 'Folder of stored decompositions',
} as const;

export const placeSettings = table(
  { group: 'Machine', determines: false },
  {
    store,
    memory: {
      ...amount,
      otherwise: 'no limit',
      describe: 'Most memory to take, e.g. 4GB; in programs, bytes',
    },
  },
);

/** Of commands that do many runs at once. */
export const manyRunsSettings = table(
  { group: 'Machine', determines: false },
  {
    store,
    jobs: {
      schema: whole(1, MOST_THREADS).nullable(),
      default: null,
      otherwise: 'one per core',
      describe: 'Most runs at once',
    },
    memory: {
      ...amount,
      otherwise: 'nine tenths of what is free',
      describe: 'What all runs together may use, e.g. 12GB',
    },
  },
);

export const outSettings = table(
  { group: 'Folder', determines: false },
  {
    out: {
      schema: path,
      default: null,
      path: true,
      otherwise: 'a new one, named after the prompts and the time',
      describe: 'Folder for what is written',
    },
  },
);

export const pageSettings = table(
  { group: 'Page', determines: false },
  {
    pagePrompts: {
      schema: whole(0, 1000),
      default: 6,
      describe: "Test prompts that the page takes apart (0: nor are the circuit's directions read)",
    },
  },
);

export const viewSettings = table(
  { group: 'Page', determines: false },
  {
    port: {
      schema: whole(1024, 65_535).nullable(),
      default: null,
      otherwise: 'any that is free',
      describe: 'Port of this machine alone (127.0.0.1) that the page is served on',
    },
    mostPairs: {
      schema: whole(1, MOST_PAIRS).nullable(),
      default: null,
      otherwise: 'all; of a large model as many as take seconds',
      describe: 'Test prompts on which changed circuits are scored',
    },
  },
);

export const resumeSettings = table(
  { group: 'Folder', determines: false },
  { resume: { schema: flag, default: false, describe: 'Go on with what is in --out' } },
);
