/**
 * What a rounding step against an adversary costs beside a plain one, after `npm run build`:
 *
 *     node dist/bench/robust-step.js [--model FOLDER --recipe smollm2 --engine native-cpu] [--tasks ioi] [--rounds 5]
 *                                    [--steps 10] [--train 64] [--json]
 *
 * Plain and robust steps take turns, a few at a time, on the same pairs, from the same masks and with the same
 * optimiser. Counted is the processor's time, of all threads, which other work on the machine changes little.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { EngineChoice } from '../src/engine/engine.js';
import { trainMasks } from '../src/masks/train.js';
import { initialState } from '../src/masks/train-state.js';
import { packageFile } from '../src/package-file.js';
import { Random } from '../src/random.js';
import { loadData } from '../src/run/data.js';
import { withSubject } from '../src/run/subject.js';
import { openWorkbench, workload } from '../src/run/workbench.js';
import { complete } from '../src/settings/complete.js';
import { PRESETS, type TrainSettings } from '../src/settings/train-settings.js';
import { quantile } from '../src/statistics/summary.js';
import { PAPER_TASKS } from '../src/tasks/tasks.js';
import { namedEngine } from './processor.js';
import { recipePrompts } from './recipe-prompts.js';
import { RECIPES } from './recipes.js';

const { values: options } = parseArgs({
  options: {
    model: { type: 'string', default: packageFile('models/embedded') },
    recipe: { type: 'string', default: 'embedded' },
    engine: { type: 'string', default: 'wasm' },
    tasks: { type: 'string', default: PAPER_TASKS.map(({ name }) => name).join(',') },
    rounds: { type: 'string', default: '5' },
    steps: { type: 'string', default: '10' },
    train: { type: 'string', default: '64' },
    store: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});

const steps = Number(options.steps);
const WAYS = {
  plain: { ...PRESETS.default, roundingSteps: steps, validateEvery: steps },
  robust: { ...PRESETS.robust, roundingSteps: steps, validateEvery: steps },
};
type Way = keyof typeof WAYS;

interface Row {
  task: string;
  /** Median of a step's seconds of processor time. */
  seconds: Record<Way, number>;
  /** Of each round, robust over plain. */
  ratios: number[];
}

const recipe = RECIPES[options.recipe];
if (!recipe) throw new Error(`no recipe "${options.recipe}": choose from ${Object.keys(RECIPES).join(', ')}`);
const scratch = mkdtempSync(join(tmpdir(), 'orthoscope-bench-'));
const rows: Row[] = [];
try {
  for (const task of options.tasks.split(',')) rows.push(await measure(task));
} finally {
  rmSync(scratch, { recursive: true, force: true });
}

async function measure(task: string): Promise<Row> {
  const prompts = await recipePrompts(recipe!, options.model, task, 0, scratch);
  const defaults = complete('run', {
    model: options.model,
    ...prompts,
    trainPairs: Number(options.train),
    validationPairs: 1,
  });
  return withSubject(options.model, defaults, async (subject) => {
    const data = await loadData(subject, defaults, ['train', 'validation']);
    const { runner } = await openWorkbench(subject, workload(data, PRESETS.default.batchSize), {
      ...defaults,
      store: options.store ?? join(scratch, 'store'),
      engine: options.engine as EngineChoice,
    });
    const how = { replacement: defaults.replacement, seed: 0 };
    const train = await runner.prepare(data.splits.train!, how);
    const directions = runner.layout.size;
    // A tenth is kept.
    const random = new Random(0);
    const logits = Float32Array.from({ length: directions }, () => (random.uniform() < 0.1 ? 3 : -3));
    const timed = async (settings: TrainSettings) => {
      const state = { ...initialState(directions, 0.5), phase: 'rounding' as const, logits: logits.slice() };
      const evaluate = (indices: readonly number[], masks: Float32Array) =>
        train.objective(indices, masks, settings.loss);
      const objective = { directions, pairs: train.length, evaluate, validate: async () => 0 };
      const before = process.cpuUsage();
      await trainMasks(objective, settings, 0, {}, state);
      const { user, system } = process.cpuUsage(before);
      return (user + system) / 1e6 / steps;
    };
    // What is done once, such as compiling, is no part of a step.
    for (const way of Object.values(WAYS)) await timed(way);
    const seconds: Record<Way, number[]> = { plain: [], robust: [] };
    for (let round = 0; round < Number(options.rounds); round++)
      for (const [way, settings] of Object.entries(WAYS) as [Way, TrainSettings][])
        seconds[way].push(await timed(settings));
    await runner.close();
    return {
      task,
      seconds: { plain: median(seconds.plain), robust: median(seconds.robust) },
      ratios: seconds.robust.map((robust, round) => robust / seconds.plain[round]!),
    };
  });
}

function median(values: readonly number[]): number {
  return quantile(
    [...values].sort((a, b) => a - b),
    0.5,
  );
}

if (options.json) process.stdout.write(`${JSON.stringify(rows, null, 1)}\n`);
else {
  const machine = `${cpus()[0]?.model.trim()}, ${availableParallelism()} cores, Node ${process.version}`;
  console.log(`${machine}; engine ${await namedEngine(options.engine)}; recipe ${options.recipe}\n`);
  console.log('| task | plain step | robust step | ratio, and of each round |');
  console.log('|---|---|---|---|');
  for (const { task, seconds, ratios } of rows)
    console.log(
      `| ${task} | ${seconds.plain.toFixed(3)} s | ${seconds.robust.toFixed(3)} s | ${median(ratios).toFixed(2)}: ${ratios.map((ratio) => ratio.toFixed(2)).join(', ')} |`,
    );
}
