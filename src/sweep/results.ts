/** The results of a sweep, a row a run, read from its run folders and nothing else. */
import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import { snakeCase } from '../case.js';
import { InputError } from '../errors.js';
import { CONTROLS, type ControlName } from '../evaluate/controls.js';
import { MEASURES, type Measure, recordOf, SIZES, type Size } from '../evaluate/metrics.js';
import { readMetrics } from '../evaluate/metrics-file.js';
import type { CircuitScores } from '../evaluate/prompt-scores.js';
import { readPromptScores } from '../evaluate/prompts-file.js';
import { writeJson } from '../formats/atomic-file.js';
import type { Manifest } from '../formats/manifest.js';
import { openRun } from '../formats/run-folder.js';
import type { Failure } from '../queue/jobs-folder.js';
import { differences } from '../report/measured.js';
import { COMMANDS } from '../settings/commands.js';
import { type Cell, writeRows } from './parquet.js';
import type { SweepFolder } from './sweep-folder.js';

/** Of the circuit (the masks binarised) on the test split, unless its name says otherwise. */
export type Figure = Measure | CircuitSize | 'soft_kl' | 'soft_l1' | AttackFigure | `${ControlName}_kl`;

/** Of the circuit and of a random set of its size under attack; null where nobody attacked them. */
type AttackFigure = (typeof ATTACK_FIGURES)[number];
const ATTACK_FIGURES = ['attacked_kl', 'attacked_exact_match', 'random_attacked_kl'] as const;

/** The sum of binarised masks is the number kept; and rows have a setting of that name. */
type CircuitSize = Exclude<Size, 'l1'>;
const CIRCUIT_SIZES = SIZES.filter((size): size is CircuitSize => size !== 'l1');

export const FIGURES: readonly Figure[] = [
  ...MEASURES,
  ...CIRCUIT_SIZES,
  'soft_kl',
  'soft_l1',
  ...ATTACK_FIGURES,
  ...CONTROLS.map(({ key }): Figure => `${key}_kl`),
];

export interface RunRow {
  id: string;
  /** The run's folder. */
  path: string;
  /** Folder name or hub id, and content hash. */
  model: string;
  model_hash: string;
  seed: number;
  /** Of the test split's prompts, as the model saw them, and of the masks file. */
  test_hash: string;
  masks_hash: string;
  /** All other settings, in snake case; lists as text with commas. */
  settings: Record<string, Cell>;
  figures: Record<Figure, number | null>;
  /** Prompts of the test split. */
  n: number;
  /** What computed it. */
  engine: string;
  /** Wall-clock time of decomposition, training and evaluation. */
  seconds: number;
}

/** Rows of all complete runs in the folders, each id once, by id. */
export async function readResults(folders: readonly SweepFolder[]): Promise<RunRow[]> {
  const rows = new Map<string, RunRow>();
  for (const folder of folders)
    for (const id of await folder.ids()) {
      if (rows.has(id) || (await folder.status(id)) !== 'complete') continue;
      rows.set(id, await readRow(id, folder.run(id)));
    }
  return [...rows.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
}

async function readRow(id: string, path: string): Promise<RunRow> {
  const { manifest } = await openRun(path);
  const metrics = await readMetrics(join(path, 'metrics.json'));
  const others = differences(metrics, manifest);
  if (others.length > 0)
    throw new InputError(
      `${path}: its figures were not measured as the run was made: ${others.join('; ')}; remove the folder to have it done anew`,
    );
  const { binarised, controls, before_rounding, attack, ...masks } = metrics.splits.test!;
  const soft = before_rounding ?? masks;
  return {
    id,
    path,
    model: manifest.model.id,
    model_hash: manifest.model.hash,
    seed: manifest.seeds.run!,
    test_hash: masks.hash,
    masks_hash: metrics.measured.masks,
    settings: flatSettings(manifest),
    figures: {
      ...recordOf(MEASURES, (measure) => binarised[measure]),
      ...recordOf(CIRCUIT_SIZES, (size) => binarised[size]),
      soft_kl: soft.kl,
      soft_l1: soft.l1,
      attacked_kl: attack?.kl ?? null,
      attacked_exact_match: attack?.exact_match ?? null,
      random_attacked_kl: attack?.control.kl ?? null,
      ...(Object.fromEntries(CONTROLS.map(({ key }) => [`${key}_kl`, controls?.[key].kl ?? null])) as Record<
        `${ControlName}_kl`,
        number | null
      >),
    },
    n: binarised.n,
    engine: manifest.engine,
    seconds: Object.values(manifest.seconds).reduce((sum, seconds) => sum + seconds, 0),
  };
}

/** What a setting without a word for null leaves open does not apply; a file goes by its name, wherever it lay. */
function flatSettings({ settings, data }: Manifest): Record<string, Cell> {
  const own = Object.entries(COMMANDS.run).flatMap(([key, setting]): [string, Cell][] => {
    const value = settings[key];
    if (key === 'seed' || value === undefined || (value === null && !('none' in setting))) return [];
    const cell = 'path' in setting ? basename(String(value)) : Array.isArray(value) ? value.join(',') : value;
    return [[snakeCase(key), cell as Cell]];
  });
  const sizes = Object.entries(data).map(([split, { pairs }]) => [`${split}_pairs`, pairs]);
  return Object.fromEntries([...own, ...sizes]);
}

/** A row as one flat object, as files hold it. */
function flatRow(row: RunRow): Record<string, Cell> {
  const { id, model, model_hash, seed, test_hash, masks_hash, settings, figures, n, engine, seconds } = row;
  const { engine: engine_setting = null, ...others } = settings;
  return {
    id,
    model,
    model_hash,
    seed,
    ...others,
    test_hash,
    masks_hash,
    n,
    ...figures,
    engine,
    engine_setting,
    seconds,
  };
}

/** Writes `sweep.json` and `sweep.parquet` anew from what the run folders hold. */
export async function writeResults(folder: SweepFolder): Promise<{ rows: RunRow[]; failures: Failure[] }> {
  const rows = await readResults([folder]);
  const failures = await folder.failures();
  const flat = rows.map(flatRow);
  await writeJson(folder.file('sweep.json'), { schema_version: 1, runs: flat, failures });
  if (flat.length > 0) await writeRows(folder.file('sweep.parquet'), flat);
  return { rows, failures };
}

/** Scores a prompt of a run; null if its folder holds none. */
export async function promptScores({ path }: RunRow): Promise<CircuitScores | null> {
  const file = join(path, 'prompts.jsonl');
  return existsSync(file) ? readPromptScores(file) : null;
}
