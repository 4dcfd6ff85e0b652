/** Which command takes which settings: the whole table. */
import { EMBEDDED } from '../formats/model-folder.js';
import { SPLITS } from '../tasks/splits.js';

import { alignSettings } from './align-settings.js';
import { attackSettings } from './attack-settings.js';

import { circuitSettings } from './circuit-settings.js';
import { compareSettings } from './compare-settings.js';

import { familiesSettings } from './families-settings.js';
import {
  chosenSettings,
  edgesSettings,
  headsSettings,
  interpretSettings,
  interveneSettings,
  shownSettings,
  tracedSettings,
  traceSettings,
  typedSettings,
} from './interpret-settings.js';

import { planShardSettings, queueSettings, queueWorkerSettings, shardsSettings } from './queue-settings.js';
import {
  componentSettings,
  engineSettings,
  evaluateSettings,
  manyRunsSettings,
  maskingSettings,
  modelSettings,
  outSettings,
  pageSettings,
  placeSettings,
  promptSettings,
  resumeSettings,
  shareSettings,
  sourceSettings,
  storeSettings,
  subjectSettings,
  viewSettings,
  workerSettings,
} from './run-settings.js';
import { flag, listOf, oneOf, place, text, whole } from './schemas.js';
import { scoredDataSettings, scorePaceSettings, scoreSettings, showSettings } from './score-settings.js';
import { stabilitySettings } from './stability-settings.js';
import { type Table, table, type Values } from './table.js';
import { presetSetting, trainSettings } from './train-settings.js';
import { verdictSettings } from './verdict-settings.js';

const machine = { ...engineSettings, ...workerSettings, ...storeSettings, ...placeSettings };
const FOLDER = { group: 'Folder', determines: false };
const path = text.nullable();

/** Folder of a run or sweep that there is. */
const folder = (describe: string) => ({ schema: place, path: true, positional: true, describe }) as const;
const folders = (describe: string) => ({ ...folder(describe), schema: listOf(place) }) as const;

const training = {
  ...promptSettings,
  ...componentSettings,
  ...maskingSettings,
  ...presetSetting,
  ...trainSettings,
};

export const COMMANDS = {
  run: {
    model: { ...modelSettings.model, default: EMBEDDED },
    ...subjectSettings,
    ...training,
    ...evaluateSettings,
    ...attackSettings,
    ...pageSettings,
    ...machine,
    ...shareSettings,
    ...outSettings,
    ...resumeSettings,
  },
  train: {
    ...modelSettings,
    ...subjectSettings,
    ...training,
    ...machine,
    ...shareSettings,
    ...outSettings,
    ...resumeSettings,
  },
  evaluate: {
    ...sourceSettings,
    ...table(
      { group: 'Masks', determines: true },
      {
        masks: {
          schema: path,
          default: null,
          path: true,
          otherwise: "the run's",
          describe: 'masks.safetensors',
        },
      },
    ),
    ...subjectSettings,
    ...promptSettings,
    ...table(
      { group: 'Prompts', determines: true },
      {
        split: {
          schema: oneOf(SPLITS).nullable(),
          default: null,
          none: 'all',
          otherwise: "the run's test split; else a task's test split, or all of --data",
          describe: 'Which prompts: a split, as run draws or cuts it, or all of --data',
        },
      },
    ),
    ...maskingSettings,
    ...evaluateSettings,
    ...attackSettings,
    ...machine,
    ...shareSettings,
    ...outSettings,
  },
  decompose: {
    ...modelSettings,
    form: subjectSettings.form,
    qkSplit: subjectSettings.qkSplit,
    rotaryOffsets: subjectSettings.rotaryOffsets,
    ...componentSettings,
    basis: maskingSettings.basis,
    basisSeed: maskingSettings.basisSeed,
    basisFile: maskingSettings.basisFile,
    ...workerSettings,
    ...storeSettings,
    ...placeSettings,
  },
  model: {
    ...modelSettings,
    ...table(
      { group: 'Model', determines: false },
      { prompt: { schema: text.nullable(), default: null, describe: 'Text to continue' } },
    ),
    ...subjectSettings,
    ...engineSettings,
  },
  task: {
    ...modelSettings,
    ...promptSettings,
    positions: maskingSettings.positions,
    bos: subjectSettings.bos,
    ...engineSettings,
    ...table(
      { group: 'Prompts', determines: false },
      {
        ask: {
          schema: whole(0, 1_000_000),
          default: 200,
          describe: 'With --data: how many of the pairs the model itself is asked',
        },
      },
    ),
    ...table(FOLDER, {
      out: {
        schema: path,
        default: null,
        path: true,
        describe: 'Folder for train.jsonl, validation.jsonl and test.jsonl',
      },
    }),
  },
  score: {
    ...sourceSettings,
    ...subjectSettings,
    ...scoredDataSettings,
    ...scoreSettings,
    ...scorePaceSettings,
    ...machine,
    ...queueSettings,
    ...shardsSettings,
    ...outSettings,
    ...resumeSettings,
  },
  'score merge': table(FOLDER, {
    shards: folders('Folders of --shard 1/n to n/n'),
    out: { schema: text, path: true, describe: 'Folder of the scores' },
    model: {
      schema: path,
      default: null,
      path: true,
      otherwise: 'where it was',
      describe: "Folder with the tokenizer, where the shards' model is not there",
    },
  }),
  'score show': { ...table(FOLDER, { scores: folder('Folder of scores') }), ...showSettings },
  interpret: {
    ...sourceSettings,
    ...chosenSettings,
    ...subjectSettings,
    ...promptSettings,
    positions: maskingSettings.positions,
    replacement: maskingSettings.replacement,
    ...interpretSettings,
    ...shownSettings,
    ...machine,
    ...outSettings,
  },
  trace: {
    ...sourceSettings,
    ...subjectSettings,
    ...tracedSettings,
    ...traceSettings,
    masks: chosenSettings.masks,
    threshold: chosenSettings.threshold,
    ...machine,
  },
  heads: {
    ...sourceSettings,
    ...subjectSettings,
    ...headsSettings,
    seed: promptSettings.seed,
    masks: chosenSettings.masks,
    threshold: chosenSettings.threshold,
    ...machine,
  },
  intervene: {
    ...sourceSettings,
    ...chosenSettings,
    ...subjectSettings,
    ...typedSettings,
    ...promptSettings,
    ...interveneSettings,
    ...machine,
    ...outSettings,
  },
  edges: {
    ...sourceSettings,
    ...chosenSettings,
    ...subjectSettings,
    ...typedSettings,
    ...promptSettings,
    ...edgesSettings,
    ...shownSettings,
    ...machine,
    ...outSettings,
  },
  verdict: { ...sourceSettings, ...verdictSettings, ...engineSettings, ...workerSettings, ...placeSettings },
  families: {
    ...sourceSettings,
    ...familiesSettings,
    ...engineSettings,
    ...workerSettings,
    ...placeSettings,
  },
  stability: {
    ...stabilitySettings,
    model: { ...sourceSettings.model, otherwise: "where the first run's was" },
    seed: promptSettings.seed,
    ...engineSettings,
    ...workerSettings,
    ...placeSettings,
    ...outSettings,
  },
  align: {
    ...sourceSettings,
    ...alignSettings,
    ...engineSettings,
    ...workerSettings,
    ...placeSettings,
  },
  circuit: {
    ...circuitSettings,
    model: { ...sourceSettings.model, otherwise: "the run's" },
    form: subjectSettings.form,
    qkSplit: subjectSettings.qkSplit,
    rotaryOffsets: subjectSettings.rotaryOffsets,
    threshold: evaluateSettings.threshold,
  },
  compare: {
    ...sourceSettings,
    ...subjectSettings,
    ...training,
    ...compareSettings,
    threshold: evaluateSettings.threshold,
    level: evaluateSettings.level,
    resamples: evaluateSettings.resamples,
    ...machine,
    ...outSettings,
  },
  report: {
    ...table(FOLDER, { run: folder('Folder of a run, or of a sweep') }),
    model: sourceSettings.model,
  },
  show: table(FOLDER, {
    run: folder('Folder of a run that was evaluated'),
    what: {
      schema: text.nullable(),
      default: null,
      positional: true,
      otherwise: 'the run',
      describe: 'A head, component or direction, or a prompt that was taken apart: by its name or place',
    },
    top: { schema: whole(1, 1000), default: 10, describe: 'Rows of each table' },
  }),
  view: {
    ...table(FOLDER, { run: folder('Folder of a run that was evaluated') }),
    model: sourceSettings.model,
    ...viewSettings,
    ...engineSettings,
    ...placeSettings,
  },
  engine: {},
  'engine link': table(
    { group: 'TensorFlow', determines: false },
    {
      from: {
        schema: path,
        default: null,
        path: true,
        describe: 'Folder of a TensorFlow (site-packages, or an unpacked wheel)',
      },
      pip: {
        schema: path,
        default: null,
        describe: 'pip requirement to fetch, e.g. tensorflow-cpu==2.21.0',
      },
      cuda: { schema: flag, default: false, describe: 'Fetch a TensorFlow for NVIDIA GPUs' },
    },
  ),
  sweep: {
    ...table(FOLDER, { plan: { ...folder('YAML file (docs/sweeps.md)') } }),
    ...planShardSettings,
    ...queueSettings,
    ...manyRunsSettings,
    ...table(FOLDER, { out: { ...outSettings.out, otherwise: "sweeps/ and the plan's name" } }),
  },
  'sweep resume': {
    ...table(FOLDER, { folder: folder('Folder of the sweep') }),
    ...planShardSettings,
    ...queueSettings,
    ...manyRunsSettings,
  },
  'sweep status': table(FOLDER, { folder: folder('Folder of the sweep') }),
  'sweep table': table(FOLDER, { folders: folders('Folders of sweeps, or of the shards of one') }),
  'sweep stability': table(FOLDER, { folders: folders('Folders of sweeps, or of the shards of one') }),
  worker: { ...queueWorkerSettings, ...manyRunsSettings },
} satisfies Record<string, Table>;

export type Command = keyof typeof COMMANDS;

/** All settings of a command, with their values. */
export type Settings<Of extends Command> = Values<(typeof COMMANDS)[Of]>;

type WithDefault<Of extends Table> = {
  [Key in keyof Of]: Of[Key] extends { default: unknown } ? Key : never;
}[keyof Of];

/** Settings as somebody gives them: those that have a default may be left out. */
export type Given<Of extends Command> = Omit<Settings<Of>, WithDefault<(typeof COMMANDS)[Of]>> &
  Partial<Settings<Of>>;

export const tableOf = (command: Command): Table => COMMANDS[command];

/** Flags of the command line alone: a config file may hold them, a program has no use for them. */
export const OUTPUT_FLAGS = table(
  { group: 'Output', determines: false },
  {
    json: { schema: flag, default: false, describe: 'Result as JSON on stdout' },
    quiet: { schema: flag, default: false, describe: 'No remarks and no progress' },
  },
);

/** Itself in no config file. */
export const CONFIG_FLAG = table(
  { group: 'Output', determines: false },
  { config: { schema: text, path: true, describe: 'YAML file with the same keys as the flags' } },
);

export const DRY_RUN_FLAG = table(
  { group: 'Output', determines: false },
  {
    dryRun: { schema: flag, default: false, describe: 'Only say what would be done, and what it would take' },
  },
);
