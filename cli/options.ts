/** The flags, by theme, and how they become settings. A config file has the same keys. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Options } from 'yargs';
import type { z } from 'zod';
import { kebabCase } from '../src/case.js';
import { BASES } from '../src/decompose/basis.js';
import { STORE_DTYPES } from '../src/decompose/store.js';
import { ENGINE_CHOICES, type EngineChoice } from '../src/engine/engine.js';
import { InputError } from '../src/errors.js';
import { EVALUATE_DEFAULTS, type EvaluateSettings, evaluateSettings } from '../src/evaluate/evaluate.js';
import { formatByteSize, parseByteSize } from '../src/formats/byte-size.js';
import { REPLACEMENTS } from '../src/forward/masking-rules.js';
import { PRESETS, type Preset, type TrainSettings, trainSettings } from '../src/masks/settings.js';
import { HEAD_KINDS, type Kind, MLP_KINDS } from '../src/models/components.js';
import { DEFAULT_SPLIT, MOST_OFFSETS, QK_SPLITS, type QkSplit } from '../src/models/qk-split.js';
import { WEIGHT_FORMS } from '../src/models/weights.js';
import { MOST_THREADS } from '../src/pool/threads.js';
import { PROCESS_BYTES } from '../src/queue/machine.js';
import { LEAST_SEED, MOST_SEED } from '../src/random.js';
import type { CommonSettings } from '../src/run/commands.js';
import type { DataRequest } from '../src/run/data.js';
import { MOST_PAIRS } from '../src/tasks/task.js';
import { TASKS } from '../src/tasks/tasks.js';

export const modelFlags = {
  form: { choices: WEIGHT_FORMS, default: 'reference', describe: 'Weight form that is decomposed' },
  'qk-split': {
    choices: QK_SPLITS,
    default: DEFAULT_SPLIT.by,
    describe: 'Split of QK where positions are rotary: rank-one directions, planes, or the SVD at one offset',
  },
  'rotary-offsets': {
    type: 'number',
    default: DEFAULT_SPLIT.offsets,
    describe: 'Offsets that the rotary split averages over; with --qk-split offset, the one offset',
  },
  bos: {
    choices: ['auto', 'always', 'never'],
    default: 'auto',
    describe: 'Beginning-of-text token before prompts',
  },
  components: { type: 'string', describe: 'Kinds to mask, e.g. qk,ov (all by default)' },
  store: { type: 'string', describe: 'Folder of stored decompositions (in the cache by default)' },
  'store-dtype': {
    choices: STORE_DTYPES,
    default: 'f32',
    describe: 'Number format of stored directions; f16 takes half the disk and rounds',
  },
  workers: {
    type: 'number',
    describe:
      'Threads that decompose (one a core by default) and, on wasm, train (one); on native-gpu, GPUs that train',
  },
  memory: { type: 'string', describe: 'Most memory to take, e.g. 4GB (no limit by default)' },
  seed: { type: 'number', default: 0, describe: 'Seed of every random choice' },
} as const satisfies Record<string, Options>;

export const maskingFlags = {
  engine: { choices: ENGINE_CHOICES, default: 'auto', describe: 'What computes' },
  basis: { choices: BASES, default: 'svd', describe: 'Directions that are masked' },
  'basis-seed': { type: 'number', default: 0, describe: 'Seed of a random basis' },
  positions: { choices: ['last', 'all'], default: 'last', describe: 'Positions where OV and MLP masks act' },
  replacement: {
    choices: REPLACEMENTS,
    default: 'interchange',
    describe: 'What a masked-out coefficient becomes',
  },
} as const satisfies Record<string, Options>;

export const dataFlags = {
  task: { type: 'string', describe: `Generated prompts: ${TASKS.map(({ name }) => name).join(', ')}` },
  corruption: {
    type: 'string',
    describe: "How a task's corrupted prompts are made (the paper's way by default)",
  },
  data: { type: 'string', describe: 'File of prompt pairs (JSONL or CSV)' },
} as const satisfies Record<string, Options>;

export const splitFlags = {
  validation: { type: 'string', describe: 'File of prompt pairs to validate on' },
  test: { type: 'string', describe: 'File of prompt pairs to evaluate on' },
  templates: { type: 'string', describe: "Ids of the task's sentences to use, e.g. lasted (all by default)" },
  'train-pairs': { type: 'number', describe: "Size of a task's training split" },
  'validation-pairs': { type: 'number', describe: "Size of a task's validation split" },
  'test-pairs': { type: 'number', describe: "Size of a task's test split" },
} as const satisfies Record<string, Options>;

export const trainFlags = {
  preset: {
    choices: ['default', 'reference'],
    default: 'default',
    describe: 'Schedule: ours, or the published one',
  },
  rank: {
    type: 'string',
    describe: 'Learn only the first so many directions of each component, or none: all',
  },
  loss: { choices: ['kl', 'logit_diff', 'cross_entropy'], describe: 'Training loss' },
  init: { type: 'string', describe: 'Value of every mask at the start' },
  lr: { type: 'string', describe: 'Learning rate of the soft phase' },
  'lr-decay': { type: 'string', describe: 'Share of that rate which its last step has (1: it stays)' },
  'weight-decay': { type: 'string', describe: 'Decay of the mask logits' },
  clip: { type: 'string', describe: 'Largest gradient norm' },
  l1: { type: 'string', describe: 'Price λ of one mask in nats, or auto' },
  'l1-warmup': {
    type: 'string',
    describe: 'Share of the soft steps over which λ rises from 0 (1: annealed to the end)',
  },
  'batch-size': { type: 'string', describe: 'Prompt pairs a step' },
  'steps-per-batch': { type: 'string', describe: 'Updates on each batch' },
  epochs: { type: 'string', describe: 'Passes over the training pairs' },
  steps: { type: 'string', describe: 'Most soft steps, or none' },
  'validate-every': { type: 'string', describe: 'Steps between validations and checkpoints' },
  'stop-kl': {
    type: 'string',
    describe: 'Stop once validation KL is below this and Σm below --stop-l1, or none',
  },
  'stop-l1': { type: 'string', describe: 'See --stop-kl' },
  patience: {
    type: 'string',
    describe: 'End a phase after so many validations without a better one, or none',
  },
  'rounding-steps': { type: 'string', describe: 'Steps of the final phase with rounded masks (0: none)' },
  'rounding-lr': { type: 'string', describe: 'Learning rate of the final phase' },
  'rounding-decay': { type: 'string', describe: 'Share of that rate which its last step has (1: it stays)' },
  'rounding-l1': { type: 'string', describe: 'λ of the final phase, or auto' },
  'rounding-l1-warmup': { type: 'string', describe: 'Share of its steps over which that λ rises from 0' },
  'rounding-clamp': { type: 'string', describe: 'Largest mask logit at its start' },
  betas: { type: 'string', describe: "AdamW's two decay rates, e.g. 0.9,0.999" },
  eps: { type: 'string', describe: "AdamW's ε" },
  'fresh-optimiser': { type: 'boolean', describe: 'Forget the moments with every batch' },
} as const satisfies Record<string, Options>;

export const evaluateFlags = {
  threshold: { type: 'string', describe: 'A direction is in the circuit if its mask is above this' },
  'control-seeds': { type: 'string', describe: 'Draws of each random control (0: no controls)' },
  level: { type: 'string', describe: 'Coverage of the bootstrap intervals' },
  resamples: { type: 'string', describe: 'Bootstrap resamples' },
} as const satisfies Record<string, Options>;

export const runFlags = {
  out: { type: 'string', describe: 'Folder of the run' },
  resume: { type: 'boolean', default: false, describe: 'Go on with the run in --out' },
} as const satisfies Record<string, Options>;

export const redisFlag = {
  redis: {
    type: 'string',
    describe: 'Redis URL, redis:// or rediss:// (ORTHOSCOPE_REDIS keeps it out of sight)',
  },
} as const satisfies Record<string, Options>;

export const dryRunFlag = {
  'dry-run': { type: 'boolean', default: false, describe: 'Only say what it would take' },
} as const satisfies Record<string, Options>;

/** Parsed flags, by their camel-case names. */
export type Flags = Record<string, unknown>;

/** Whether to go on with what is in the folder. That there is nothing may be meant, or a slip in its name. */
export function resumes(flags: Flags, out: string, note?: (line: string) => void): boolean {
  if (flags.resume !== true) return false;
  if (!existsSync(join(out, 'manifest.json'))) note?.(`${out}: nothing to resume there; starting anew`);
  return true;
}

/** A password in a flag is seen by everyone who lists processes, so the environment will do as well. */
export function redisUrl(flags: Flags): string | null {
  return (flags.redis as string | undefined) ?? process.env.ORTHOSCOPE_REDIS ?? null;
}

/** What all runs of a sweep or a worker may use together; null: not said. */
export function runsMemory(flags: Flags): number | null {
  if (flags.memory === undefined) return null;
  const bytes = parseByteSize(String(flags.memory), '--memory');
  if (bytes >= PROCESS_BYTES) return bytes;
  const least = formatByteSize(PROCESS_BYTES);
  throw new InputError(
    `--memory ${String(flags.memory)}: a single run takes ${least} before it has read anything; give more`,
  );
}

export function commonSettings(flags: Flags, model: string): CommonSettings {
  return {
    model,
    form: flags.form as CommonSettings['form'],
    // Commands that decompose nothing do not have these two flags.
    qkSplit: (flags.qkSplit ?? DEFAULT_SPLIT.by) as QkSplit['by'],
    rotaryOffsets: whole(flags.rotaryOffsets ?? DEFAULT_SPLIT.offsets, 'rotary-offsets', 0, MOST_OFFSETS),
    bos: flags.bos as CommonSettings['bos'],
    components: kinds(flags.components),
    store: (flags.store as string | undefined) ?? null,
    storeDtype: (flags.storeDtype ?? 'f32') as CommonSettings['storeDtype'],
    workers: flags.workers === undefined ? null : whole(flags.workers, 'workers', 1, MOST_THREADS),
    memory: flags.memory === undefined ? null : parseByteSize(String(flags.memory), '--memory'),
    seed: whole(flags.seed, 'seed', LEAST_SEED, MOST_SEED),
    engine: flags.engine as EngineChoice,
    basis: (flags.basis ?? 'svd') as CommonSettings['basis'],
    basisSeed: whole(flags.basisSeed ?? 0, 'basis-seed', LEAST_SEED, MOST_SEED),
    positions: flags.positions as CommonSettings['positions'],
    replacement: flags.replacement as CommonSettings['replacement'],
  };
}

export function dataRequest(flags: Flags): DataRequest {
  const text = (name: string) => flags[name] as string | undefined;
  const counts: DataRequest['counts'] = {};
  for (const split of ['train', 'validation', 'test'] as const) {
    const size = flags[`${split}Pairs`];
    if (size !== undefined) counts[split] = whole(size, `${split}-pairs`, 0, MOST_PAIRS);
  }
  return {
    task: text('task'),
    data: text('data'),
    validation: text('validation'),
    test: text('test'),
    corruption: text('corruption'),
    templates: flags.templates === undefined ? undefined : list(flags.templates),
    counts,
    aligned: flags.positions === 'all',
    seed: whole(flags.seed, 'seed', LEAST_SEED, MOST_SEED),
  };
}

export function trainSettingsOf(flags: Flags): TrainSettings {
  return merged(trainSettings, PRESETS[flags.preset as Preset], flags);
}

export function evaluateSettingsOf(flags: Flags): EvaluateSettings {
  return merged(evaluateSettings, EVALUATE_DEFAULTS, flags);
}

/** Defaults overridden by the flags that were given, checked. Numbers come as text, so that `auto` and `none` can stand beside them. */
function merged<Settings extends object>(
  schema: z.ZodType<Settings>,
  defaults: Settings,
  flags: Flags,
): Settings {
  const values: Record<string, unknown> = Object.fromEntries(Object.entries(defaults));
  for (const key of Object.keys(defaults)) if (flags[key] !== undefined) values[key] = parsed(flags[key]);
  const result = schema.safeParse(values);
  if (result.success) return result.data;
  const { path, message } = result.error.issues[0]!;
  const key = String(path[0]);
  throw new InputError(`--${kebabCase(key)} ${String(flags[key])}: ${message}`);
}

function parsed(value: unknown): unknown {
  if (value === 'none') return null;
  if (typeof value === 'string' && value.includes(',')) return list(value).map(parsed);
  return typeof value === 'string' && value.trim() !== '' && Number.isFinite(Number(value))
    ? Number(value)
    : value;
}

function kinds(value: unknown): Kind[] | null {
  if (value === undefined) return null;
  const known: readonly Kind[] = [...HEAD_KINDS, ...MLP_KINDS];
  const names = list(value);
  const unknown = names.find((name) => !known.includes(name as Kind));
  if (unknown !== undefined)
    throw new InputError(`--components "${unknown}": choose from ${known.join(', ')}`);
  return names as Kind[];
}

/** A list on the command line has commas; in a config file it may be a real one. */
export function list(value: unknown): string[] {
  const items = Array.isArray(value) ? value.map(String) : String(value).split(',');
  return items.map((item) => item.trim());
}

/** @throws InputError unless it is a whole number from `least` to `most` */
export function whole(
  value: unknown,
  flag: string,
  least: number,
  most: number = Number.MAX_SAFE_INTEGER,
): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= least && value <= most)
    return value;
  // What was typed is lost where it was no number.
  const found = Number.isNaN(value) ? '' : ` ${String(value)}`;
  const to = most < Number.MAX_SAFE_INTEGER ? `to ${most}` : 'up';
  throw new InputError(`--${flag}${found}: give a whole number from ${least} ${to}`);
}

/** A number that came as text. */
export function number(value: unknown, flag: string): number {
  const found = typeof value === 'string' && value.trim() === '' ? Number.NaN : Number(value);
  if (!Number.isFinite(found)) throw new InputError(`--${flag} ${String(value)}: give a number`);
  return found;
}
