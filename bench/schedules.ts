/**
 * How many steps a schedule needs to be as good as the reference: `node dist/bench/schedules.js [--seeds 3]
 * [--tasks ioi,greater-than,gendered-pronoun] [--engine wasm] [--model FOLDER] [--settings JSON] [--json]`, after
 * `npm run build`.
 *
 * The preset `reference` runs all its steps on every task and seed, with the λ of the default preset
 * and without stopping early. Its last validation objective, KL + λ Σm of the soft masks, is the mark; counted is
 * when the soft phase of the preset `default` (with --settings put over it) is first validated below it. After some
 * six hundred steps as many tensors must be there as before.
 */

import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import * as tf from '@tensorflow/tfjs-core';
import type { EngineChoice } from '../src/engine/engine.js';
import { type HistoryLine, trainMasks } from '../src/masks/train.js';
import { packageFile } from '../src/package-file.js';
import { loadData } from '../src/run/data.js';
import type { RunnablePairs } from '../src/run/mask-runner.js';
import { withSubject } from '../src/run/subject.js';
import { openWorkbench } from '../src/run/workbench.js';
import { complete } from '../src/settings/complete.js';
import { PRESETS, type TrainSettings } from '../src/settings/train-settings.js';
import { PAPER_TASKS } from '../src/tasks/tasks.js';
import { namedEngine } from './processor.js';

const { values: options } = parseArgs({
  options: {
    seeds: { type: 'string', default: '3' },
    tasks: { type: 'string', default: PAPER_TASKS.map(({ name }) => name).join(',') },
    engine: { type: 'string', default: 'wasm' },
    model: { type: 'string', default: packageFile('models/embedded') },
    settings: { type: 'string', default: '{}' },
    json: { type: 'boolean', default: false },
  },
});

/** Validation objective after so many steps and seconds of training. */
interface Point {
  steps: number;
  seconds: number;
  objective: number;
}

interface Row {
  task: string;
  seed: number;
  reference: Point;
  /** Null if it never got there. */
  reached: Point | null;
  /** The best of the default schedule. */
  best: Point;
}

const open = { ...PRESETS.reference, l1: 'auto' as const, stopKl: null, stopL1: null, roundingSteps: 0 };
const reference: TrainSettings = { ...open, validateEvery: 60 };
const candidate: TrainSettings = {
  ...PRESETS.default,
  ...JSON.parse(options.settings),
  validateEvery: 5,
  patience: null,
  roundingSteps: 0,
};

const store = mkdtempSync(join(tmpdir(), 'orthoscope-bench-'));
const rows: Row[] = [];
try {
  for (const task of options.tasks.split(','))
    for (let seed = 0; seed < Number(options.seeds); seed++) {
      rows.push(await compare(task, seed));
      process.stderr.write(`${JSON.stringify(rows.at(-1))}\n`);
    }
} finally {
  rmSync(store, { recursive: true, force: true });
}

function compare(task: string, seed: number): Promise<Row> {
  const settings = complete('run', {
    ...{ model: options.model, task, seed, store, workers: 1 },
    engine: options.engine as EngineChoice,
  });
  return withSubject(settings.model, settings, async (subject) => {
    const data = await loadData(subject, settings, ['train', 'validation']);
    const { runner } = await openWorkbench(
      subject,
      { lengths: data.splits.train!.map(({ clean }) => clean.length), batchSize: reference.batchSize },
      settings,
    );
    const how = { replacement: settings.replacement, seed };
    const train = await runner.prepare(data.splits.train!, how);
    const validation = await runner.prepare(data.splits.validation!, how);
    const { size } = runner.layout;
    const before = tf.memory().numTensors;
    const mark = (await curve(reference, size, seed, train, validation)).at(-1)!;
    const found = await curve(candidate, size, seed, train, validation);
    const leaked = tf.memory().numTensors - before;
    if (leaked !== 0) throw new Error(`${leaked} tensors more after training`);
    await runner.close();
    const reached = found.find(({ objective }) => objective <= mark.objective) ?? null;
    const best = found.reduce((least, point) => (point.objective < least.objective ? point : least));
    return { task, seed, reference: mark, reached, best };
  });
}

async function curve(
  settings: TrainSettings,
  directions: number,
  seed: number,
  train: RunnablePairs,
  validation: RunnablePairs,
): Promise<Point[]> {
  const points: Point[] = [];
  let seconds = 0;
  const onHistory = (line: HistoryLine) => {
    if (line.validation) points.push({ steps: line.step, seconds, objective: line.loss });
    else seconds += line.seconds;
  };
  const evaluate = (indices: readonly number[], masks: Float32Array) =>
    train.objective(indices, masks, settings.loss);
  const validate = (masks: Float32Array) => validation.kl(masks);
  await trainMasks({ directions, pairs: train.length, evaluate, validate }, settings, seed, { onHistory });
  return points;
}

if (options.json) process.stdout.write(`${JSON.stringify(rows, null, 2)}\n`);
else {
  const machine = `${cpus()[0]?.model.trim()}, ${availableParallelism()} cores, Node ${process.version}`;
  console.log(`${machine}; engine ${await namedEngine(options.engine)}; settings ${options.settings}\n`);
  console.log(
    '| task | seed | reference: steps, seconds → objective | default: steps, seconds to it | its best |',
  );
  console.log('|---|---|---|---|---|');
  for (const { task, seed, reference: mark, reached, best } of rows) {
    const cost = ({ steps, seconds }: Point) => `${steps}, ${seconds.toFixed(1)} s`;
    console.log(
      `| ${task} | ${seed} | ${cost(mark)} → ${mark.objective.toFixed(4)} | ${reached ? cost(reached) : 'never'} ` +
        `| ${best.objective.toFixed(4)} after ${best.steps} |`,
    );
  }
}
