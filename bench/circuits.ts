/**
 * The main job on the embedded model, every task, several seeds: `node dist/bench/circuits.js [--seeds 3]
 * [--engine wasm] [--model FOLDER] [--json]`, after `npm run build`. A seed changes the prompts, the order in which they come
 * and the controls. Checks the bounds and says which hold; figures of the binarised circuit.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { SVD_BASIS } from '../src/decompose/basis.js';
import type { EngineChoice } from '../src/engine/engine.js';
import { EVALUATE_DEFAULTS, type SplitMetrics } from '../src/evaluate/evaluate.js';
import { PRESETS } from '../src/masks/settings.js';
import { packageFile } from '../src/package-file.js';
import { run } from '../src/run/commands.js';
import { TASKS } from '../src/tasks/tasks.js';

const { values: options } = parseArgs({
  options: {
    seeds: { type: 'string', default: '3' },
    engine: { type: 'string', default: 'wasm' },
    model: { type: 'string', default: packageFile('models/embedded') },
    json: { type: 'boolean', default: false },
  },
});

interface Row {
  task: string;
  seed: number;
  kl: number;
  exact_match: number;
  accuracy: number;
  full_accuracy: number;
  prob_diff: number;
  full_prob_diff: number;
  active: number;
  directions: number;
  sparsity: number;
  /** Smallest KL of a control of the circuit's size (random, random by kind, top σ), over the circuit's. */
  control_ratio: number;
  train_seconds: number;
  total_seconds: number;
  holds: boolean;
}

const scratch = mkdtempSync(join(tmpdir(), 'orthoscope-bench-'));
const rows: Row[] = [];
try {
  for (const { name, score } of TASKS)
    for (let seed = 0; seed < Number(options.seeds); seed++) {
      rows.push(await measure(name, seed, score === 'accuracy'));
      process.stderr.write(`${JSON.stringify(rows.at(-1))}\n`);
    }
} finally {
  rmSync(scratch, { recursive: true, force: true });
}

async function measure(task: string, seed: number, byAccuracy: boolean): Promise<Row> {
  const started = performance.now();
  const { metrics, run: folder } = await run({
    common: {
      model: options.model,
      form: 'reference',
      bos: 'auto',
      components: null,
      store: join(scratch, 'store'),
      storeDtype: 'f32',
      workers: null,
      memory: null,
      engine: options.engine as EngineChoice,
      ...SVD_BASIS,
      positions: 'last',
      replacement: 'interchange',
      seed,
    },
    data: { task, aligned: false, seed },
    train: PRESETS.default,
    evaluate: EVALUATE_DEFAULTS,
    out: join(scratch, `${task}-${seed}`),
    resume: false,
  });
  const { binarised: circuit, controls, directions } = metrics.splits.test!;
  const ratio = smallestControl(controls!) / circuit.kl!;
  const faithful = byAccuracy
    ? circuit.exact_match! >= 0.9
    : Math.abs(circuit.prob_diff! - circuit.full_prob_diff!) <= 0.05;
  return {
    task,
    seed,
    kl: circuit.kl!,
    exact_match: circuit.exact_match!,
    accuracy: circuit.accuracy!,
    full_accuracy: circuit.full_accuracy!,
    prob_diff: circuit.prob_diff!,
    full_prob_diff: circuit.full_prob_diff!,
    active: circuit.active,
    directions,
    sparsity: circuit.relative_sparsity,
    control_ratio: ratio,
    train_seconds: folder.manifest.seconds.train!,
    total_seconds: (performance.now() - started) / 1000,
    holds: faithful && circuit.kl! <= 0.15 && circuit.relative_sparsity >= 0.8 && ratio >= 5,
  };
}

function smallestControl(controls: NonNullable<SplitMetrics['controls']>): number {
  return Math.min(...(['random', 'random_by_kind', 'top_sigma'] as const).map((name) => controls[name].kl!));
}

if (options.json) process.stdout.write(`${JSON.stringify(rows, null, 2)}\n`);
else {
  const machine = `${cpus()[0]?.model.trim()}, ${availableParallelism()} cores, Node ${process.version}`;
  console.log(`${machine}; engine ${options.engine}\n`);
  console.log(
    '| task | seed | kept | sparsity | KL | exact match | accuracy (full) | prob diff (full) | smallest control KL / KL | training | bounds |',
  );
  console.log('|---|---|---|---|---|---|---|---|---|---|---|');
  for (const row of rows) {
    const percent = (value: number) => `${(100 * value).toFixed(1)} %`;
    const pair = (value: number, full: number) => `${value.toFixed(3)} (${full.toFixed(3)})`;
    console.log(
      `| ${row.task} | ${row.seed} | ${row.active} of ${row.directions} | ${percent(row.sparsity)} | ${row.kl.toFixed(3)} ` +
        `| ${row.exact_match.toFixed(3)} | ${pair(row.accuracy, row.full_accuracy)} | ${pair(row.prob_diff, row.full_prob_diff)} ` +
        `| ${row.control_ratio.toFixed(1)} | ${row.train_seconds.toFixed(0)} s | ${row.holds ? 'hold' : 'fail'} |`,
    );
  }
}
process.exitCode = rows.every(({ holds }) => holds) ? 0 : 1;
