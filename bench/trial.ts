/**
 * The schedule of the independent PyTorch trial that the recipes are measured against, on a recipe's own prompts:
 * the trial had others. After `npm run build`:
 *
 *     node dist/bench/trial.js --model FOLDER [--recipe smollm2] [--tasks ioi,gendered-pronoun] [--seeds 3]
 *                              [--engine native-cpu] [--save FILE]
 *
 * A row is what a stage ended with, on the test split.
 */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import type { EngineChoice } from '../src/engine/engine.js';
import { type HistoryLine, trainMasks } from '../src/masks/train.js';
import { initialState } from '../src/masks/train-state.js';
import { loadData } from '../src/run/data.js';
import { withSubject } from '../src/run/subject.js';
import { openWorkbench, workload } from '../src/run/workbench.js';
import { complete } from '../src/settings/complete.js';
import { PRESETS, type TrainSettings } from '../src/settings/train-settings.js';
import { mean } from '../src/statistics/summary.js';
import { SPLITS } from '../src/tasks/splits.js';
import { namedEngine } from './processor.js';
import { recipePrompts } from './recipe-prompts.js';
import { RECIPES, type Recipe } from './recipes.js';

const { values: options } = parseArgs({
  options: {
    model: { type: 'string' },
    recipe: { type: 'string', default: 'smollm2' },
    tasks: { type: 'string', default: 'ioi,gendered-pronoun' },
    seeds: { type: 'string', default: '3' },
    engine: { type: 'string', default: 'native-cpu' },
    save: { type: 'string' },
  },
});
if (!options.model) throw new Error('give --model FOLDER');
const { model } = options;
const recipe = RECIPES[options.recipe];
if (!recipe) throw new Error(`no recipe "${options.recipe}": choose from ${Object.keys(RECIPES).join(', ')}`);

const common: TrainSettings = {
  ...PRESETS.default,
  lr: 0.05,
  lrDecay: 1,
  l1Warmup: 0.3,
  steps: 160,
  batchSize: 32,
  roundingLr: 0.1,
  roundingDecay: 1,
};

/** By task: a soft and a rounding phase; for one task a second rounding phase goes on from the first. */
const SCHEDULES: Record<string, [TrainSettings, ...Pick<TrainSettings, 'roundingSteps' | 'roundingL1'>[]]> = {
  ioi: [{ ...common, l1: 1.5e-4, roundingSteps: 120, roundingL1: 3e-5 }],
  'gendered-pronoun': [
    { ...common, l1: 1e-4, roundingSteps: 100, roundingL1: 2e-5 },
    { roundingSteps: 160, roundingL1: 1e-4 },
  ],
};

interface Row {
  task: string;
  seed: number;
  stage: string;
  /** Σm: of rounded masks, how many are kept. */
  l1: number;
  kl: number;
  exact_match: number;
  accuracy: number;
  full_accuracy: number;
  /** Of training so far, validations included. */
  steps: number;
  seconds: number;
}

const tasks = options.tasks.split(',');
for (const task of tasks)
  if (!SCHEDULES[task])
    throw new Error(`no schedule for "${task}": choose from ${Object.keys(SCHEDULES).join(', ')}`);
if (options.save) mkdirSync(dirname(options.save), { recursive: true });
const machine = `${cpus()[0]?.model.trim()}, ${availableParallelism()} cores, Node ${process.version}`;
const scratch = mkdtempSync(join(tmpdir(), 'orthoscope-bench-'));
const rows: Row[] = [];
try {
  for (const task of tasks)
    for (let seed = 0; seed < Number(options.seeds); seed++) {
      const found = await measure(recipe, task, seed);
      rows.push(...found);
      process.stderr.write(`${found.map((row) => JSON.stringify(row)).join('\n')}\n`);
      if (options.save) writeFileSync(options.save, `${JSON.stringify(results(), null, 2)}\n`);
    }
} finally {
  rmSync(scratch, { recursive: true, force: true });
}

function results() {
  const { engine, recipe, seeds } = options;
  const schedules = Object.fromEntries(tasks.map((task) => [task, SCHEDULES[task]]));
  return { machine, engine, prompts: recipe, seeds: Number(seeds), schedules, rows };
}

async function measure(recipe: Recipe, task: string, seed: number): Promise<Row[]> {
  const settings = complete('run', {
    ...(await recipePrompts(recipe, model, task, seed, scratch)),
    model,
    store: join(scratch, 'store'),
    engine: options.engine as EngineChoice,
  });
  return withSubject(model, settings, async (subject) => {
    const data = await loadData(subject, settings, SPLITS);
    const { runner } = await openWorkbench(subject, workload(data, common.batchSize), settings);
    const how = { replacement: settings.replacement, seed };
    const train = await runner.prepare(data.splits.train!, how);
    const validation = await runner.prepare(data.splits.validation!, how);
    const test = await runner.prepare(data.splits.test!, how);

    const found: Row[] = [];
    const add = async (stage: string, masks: Float32Array, { steps, seconds }: Cost) => {
      const scores = await test.score(masks);
      const average = (name: 'kl' | 'exact_match' | 'accuracy' | 'full_accuracy') => mean(scores[name])!;
      found.push({
        ...{ task, seed, stage },
        l1: masks.reduce((sum, mask) => sum + mask, 0),
        kl: average('kl'),
        exact_match: average('exact_match'),
        accuracy: average('accuracy'),
        full_accuracy: average('full_accuracy'),
        ...{ steps, seconds },
      });
    };

    const cost: Record<HistoryLine['phase'], Cost> = {
      soft: { steps: 0, seconds: 0 },
      rounding: { steps: 0, seconds: 0 },
    };
    const total = () => ({
      steps: cost.soft.steps + cost.rounding.steps,
      seconds: cost.soft.seconds + cost.rounding.seconds,
    });
    const state = initialState(runner.layout.size, common.init);
    const learn = (settings: TrainSettings, order: number) =>
      trainMasks(
        {
          directions: runner.layout.size,
          pairs: train.length,
          evaluate: (indices, masks) => train.objective(indices, masks, settings.loss),
          validate: (masks) => validation.kl(masks),
        },
        settings,
        order,
        {
          onHistory: ({ phase, seconds, validation }) => {
            cost[phase].seconds += seconds;
            if (!validation) cost[phase].steps++;
          },
        },
        state,
      );
    const [first, ...further] = SCHEDULES[task]!;
    const { soft, masks } = await learn(first, seed);
    await add('soft', soft, cost.soft);
    await add('rounded', masks, total());
    for (const [at, changes] of further.entries()) {
      Object.assign(state, { phaseStep: 0, best: new Float32Array(0), bestObjective: Infinity, waited: 0 });
      // Batches in another order than before.
      const { masks } = await learn({ ...first, ...changes }, seed + 1000 * (at + 1));
      await add(`rounded at λ ${changes.roundingL1}`, masks, total());
    }
    await runner.close();
    return found;
  });
}

interface Cost {
  steps: number;
  seconds: number;
}

console.log(
  `${machine}; engine ${await namedEngine(options.engine)}; prompts of the recipe ${options.recipe}\n`,
);
console.log('| task | seed | stage | Σm | KL | exact match | accuracy (full) | steps | training |');
console.log('|---|---|---|---|---|---|---|---|---|');
for (const { task, seed, stage, l1, kl, exact_match, accuracy, full_accuracy, steps, seconds } of rows)
  console.log(
    `| ${task} | ${seed} | ${stage} | ${l1.toFixed(0)} | ${kl.toFixed(3)} | ${exact_match.toFixed(3)} ` +
      `| ${accuracy.toFixed(3)} (${full_accuracy.toFixed(3)}) | ${steps} | ${seconds.toFixed(0)} s |`,
  );
