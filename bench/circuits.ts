/**
 * The main job on a model, every task, several seeds, after `npm run build`:
 *
 *     node dist/bench/circuits.js [--model FOLDER --recipe smollm2 --engine native-cpu] [--tasks ioi] [--seeds 3]
 *                                 [--qk-split plane] [--save FILE] [--json]
 *
 * The embedded model on wasm by default. A seed changes the prompts, the order in which they come and the controls.
 * Checks the recipe's bounds and says which hold; the table has the binarised circuit and, behind a stroke, the soft
 * masks. `--save` writes all figures with their settings, after every run; what the file has of other tasks stays.
 */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { run } from '../src/commands/run.js';
import type { EngineChoice } from '../src/engine/engine.js';
import type { MaskMetrics, SplitMetrics } from '../src/evaluate/metrics-file.js';
import { DEFAULT_SPLIT, type QkSplit } from '../src/models/qk-split.js';
import { packageFile } from '../src/package-file.js';
import { PAPER_TASKS } from '../src/tasks/tasks.js';
import { namedEngine } from './processor.js';
import { recipePrompts } from './recipe-prompts.js';
import { RECIPES } from './recipes.js';

const { values: options } = parseArgs({
  options: {
    seeds: { type: 'string', default: '3' },
    engine: { type: 'string', default: 'wasm' },
    model: { type: 'string', default: packageFile('models/embedded') },
    recipe: { type: 'string', default: 'embedded' },
    tasks: { type: 'string', default: PAPER_TASKS.map(({ name }) => name).join(',') },
    'qk-split': { type: 'string', default: DEFAULT_SPLIT.by },
    save: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});

const recipe = RECIPES[options.recipe];
if (!recipe) throw new Error(`no recipe "${options.recipe}": choose from ${Object.keys(RECIPES).join(', ')}`);
const machine = `${cpus()[0]?.model.trim()}, ${availableParallelism()} cores, Node ${process.version}`;

type Figures = Pick<
  MaskMetrics,
  'kl' | 'exact_match' | 'accuracy' | 'prob_diff' | 'logit_diff' | 'l1' | 'active' | 'relative_sparsity'
>;

interface Row {
  task: string;
  seed: number;
  /** A file may hold tasks that were measured on different ones. */
  machine: string;
  directions: number;
  full: { accuracy: number; prob_diff: number };
  /** Before rounding. */
  soft: Figures;
  binarised: Figures & { by_kind: Record<string, number> };
  /** KL of each control. */
  controls: Record<string, number>;
  /** Smallest KL of a control of the circuit's size (random, random by kind, top σ), over the circuit's. */
  control_ratio: number;
  train_seconds: number;
  total_seconds: number;
  /** Largest resident size of the process so far. */
  peak_gib: number;
  holds: boolean;
}

const tasks = PAPER_TASKS.filter(({ name }) => options.tasks.split(',').includes(name));
if (options.save) mkdirSync(dirname(options.save), { recursive: true });
const saved = options.save && existsSync(options.save) ? readResults(options.save) : null;
const scratch = mkdtempSync(join(tmpdir(), 'orthoscope-bench-'));
const rows: Row[] = [];
try {
  for (const { name, score } of tasks)
    for (let seed = 0; seed < Number(options.seeds); seed++) {
      rows.push(await measure(name, seed, score === 'accuracy'));
      process.stderr.write(`${JSON.stringify(rows.at(-1))}\n`);
      if (options.save) writeFileSync(options.save, `${JSON.stringify(results(), null, 2)}\n`);
    }
} finally {
  rmSync(scratch, { recursive: true, force: true });
}

interface Results {
  engine: string;
  recipe: string;
  qk_split: string;
  seeds: number;
  settings: Record<string, unknown>;
  rows: Row[];
}

function readResults(path: string): Results {
  return JSON.parse(readFileSync(path, 'utf8')) as Results;
}

function results(): Results {
  const { seeds, engine, recipe: name, 'qk-split': split } = options;
  const settings = Object.fromEntries(
    rows.map(({ task }) => [
      task,
      {
        ...recipe!.train(task),
        train_pairs: recipe!.counts?.(task).train,
        templates: recipe!.templates?.(task) ?? 'all',
      },
    ]),
  );
  const others = saved?.rows.filter(({ task }) => !tasks.some(({ name }) => name === task)) ?? [];
  const order = PAPER_TASKS.map((task) => task.name);
  return {
    engine,
    recipe: name!,
    qk_split: split!,
    seeds: Number(seeds),
    settings: { ...saved?.settings, ...settings },
    rows: [...others, ...rows].sort((a, b) => order.indexOf(a.task) - order.indexOf(b.task)),
  };
}

async function measure(task: string, seed: number, byAccuracy: boolean): Promise<Row> {
  const started = performance.now();
  const { metrics, run: folder } = await run({
    ...(await recipePrompts(recipe!, options.model, task, seed, scratch)),
    ...recipe!.train(task),
    ...recipe!.evaluate,
    model: options.model,
    qkSplit: options['qk-split'] as QkSplit['by'],
    store: join(scratch, 'store'),
    engine: options.engine as EngineChoice,
    out: join(scratch, `${task}-${seed}`),
  });
  const { binarised: circuit, before_rounding: soft, controls, directions } = metrics.splits.test!;
  const ratio = smallestControl(controls!) / circuit.kl!;
  const bounds = recipe!.bounds(task);
  const faithful = byAccuracy
    ? circuit.exact_match! >= 0.9 || options.recipe !== 'embedded'
    : Math.abs(circuit.prob_diff! - circuit.full_prob_diff!) <= 0.05;
  return {
    task,
    seed,
    machine,
    directions,
    full: { accuracy: circuit.full_accuracy!, prob_diff: circuit.full_prob_diff! },
    soft: figures(soft!),
    binarised: {
      ...figures(circuit),
      by_kind: Object.fromEntries(
        Object.entries(circuit.by_kind).map(([kind, { active }]) => [kind, active]),
      ),
    },
    controls: Object.fromEntries(Object.entries(controls!).map(([name, { kl }]) => [name, kl!])),
    control_ratio: ratio,
    train_seconds: folder.manifest.seconds.train!,
    total_seconds: (performance.now() - started) / 1000,
    peak_gib: process.resourceUsage().maxRSS / 2 ** 20,
    holds: faithful && circuit.kl! <= bounds.kl && circuit.relative_sparsity >= bounds.sparsity && ratio >= 5,
  };
}

function figures(metrics: Figures): Figures {
  const { kl, exact_match, accuracy, prob_diff, logit_diff, l1, active, relative_sparsity } = metrics;
  return { kl, exact_match, accuracy, prob_diff, logit_diff, l1, active, relative_sparsity };
}

function smallestControl(controls: NonNullable<SplitMetrics['controls']>): number {
  return Math.min(...(['random', 'random_by_kind', 'top_sigma'] as const).map((name) => controls[name].kl!));
}

if (options.json) process.stdout.write(`${JSON.stringify(results(), null, 2)}\n`);
else {
  console.log(
    `${machine}; engine ${await namedEngine(options.engine)}; recipe ${options.recipe}; QK split by ${options['qk-split']}\n`,
  );
  console.log(
    '| task | seed | kept (Σ soft) | sparsity | KL (soft) | exact match (soft) | accuracy (full) | prob diff (full) | smallest control KL / KL | training | memory | bounds |',
  );
  console.log('|---|---|---|---|---|---|---|---|---|---|---|---|');
  for (const { task, seed, directions, full, soft, binarised: circuit, ...row } of rows) {
    const pair = (value: number, other: number) => `${value.toFixed(3)} (${other.toFixed(3)})`;
    console.log(
      `| ${task} | ${seed} | ${circuit.active} of ${directions} (${soft.l1.toFixed(0)}) ` +
        `| ${(100 * circuit.relative_sparsity).toFixed(1)} % | ${pair(circuit.kl!, soft.kl!)} ` +
        `| ${pair(circuit.exact_match!, soft.exact_match!)} | ${pair(circuit.accuracy!, full.accuracy)} ` +
        `| ${pair(circuit.prob_diff!, full.prob_diff)} | ${row.control_ratio.toFixed(1)} ` +
        `| ${row.train_seconds.toFixed(0)} s | ${row.peak_gib.toFixed(1)} GiB | ${row.holds ? 'hold' : 'fail'} |`,
    );
  }
}
process.exitCode = rows.every(({ holds }) => holds) ? 0 : 1;
