/**
 * Circuits under an adversary that puts back what they leave out, after `npm run build`:
 *
 *     node dist/bench/adversary.js [--model FOLDER --recipe smollm2 --engine native-cpu] [--tasks ioi] [--seeds 3]
 *                                  [--trainings default,robust] [--starts 8] [--steps 20,40,80] [--pairs 128]
 *                                  [--save FILE] [--masks FOLDER] [--json]
 *
 * Trains each task with each of the recipe's trainings, attacks the circuits on `--pairs` training pairs, and measures
 * what is found on the test pairs. `--save` writes a row as soon as it is there, and what the file has already is not
 * measured again; `--masks` keeps the circuits, and those that are there already are not trained again.
 */

import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import type { EngineChoice } from '../src/engine/engine.js';
import type { Attacked } from '../src/evaluate/adversary.js';
import { attackCircuit, attackPrompts } from '../src/evaluate/attack-circuit.js';
import type { AttackFigures } from '../src/evaluate/attack-figures.js';
import { type HistoryLine, trainMasks } from '../src/masks/train.js';
import { packageFile } from '../src/package-file.js';
import { loadData } from '../src/run/data.js';
import type { MaskRunner, RunnablePairs } from '../src/run/mask-runner.js';
import { withSubject } from '../src/run/subject.js';
import { openWorkbench, workload } from '../src/run/workbench.js';
import { complete } from '../src/settings/complete.js';
import type { TrainSettings } from '../src/settings/train-settings.js';
import { mean, quantile } from '../src/statistics/summary.js';
import { SPLITS } from '../src/tasks/splits.js';
import { PAPER_TASKS } from '../src/tasks/tasks.js';
import { namedEngine } from './processor.js';
import { recipePrompts } from './recipe-prompts.js';
import { RECIPES, type Recipe } from './recipes.js';

const { values: options } = parseArgs({
  options: {
    model: { type: 'string', default: packageFile('models/embedded') },
    recipe: { type: 'string', default: 'embedded' },
    engine: { type: 'string', default: 'wasm' },
    tasks: { type: 'string', default: PAPER_TASKS.map(({ name }) => name).join(',') },
    seeds: { type: 'string', default: '3' },
    trainings: { type: 'string', default: 'default,robust' },
    starts: { type: 'string', default: '8' },
    steps: { type: 'string', default: '20,40,80' },
    pairs: { type: 'string', default: '128' },
    'budget-steps': { type: 'string', default: '20' },
    prompts: { type: 'string', default: '32' },
    caps: { type: 'string', default: '0.05,0.1,0.25' },
    // Numbers of directions that may come back; 1, 10, 100, 1 % and 10 % of those left out where absent.
    most: { type: 'string' },
    draws: { type: 'string', default: '5' },
    points: { type: 'string', default: '10' },
    // Of a split; the recipe's where absent.
    train: { type: 'string' },
    validation: { type: 'string' },
    test: { type: 'string' },
    settings: { type: 'string', default: '{}' },
    save: { type: 'string' },
    masks: { type: 'string' },
    store: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});

const recipe = RECIPES[options.recipe];
if (!recipe) throw new Error(`no recipe "${options.recipe}": choose from ${Object.keys(RECIPES).join(', ')}`);
const machine = `${cpus()[0]?.model.trim()}, ${availableParallelism()} cores, Node ${process.version}`;
const marks = options.steps.split(',').map(Number);

interface Row {
  task: string;
  seed: number;
  training: string;
  settings: TrainSettings;
  machine: string;
  directions: number;
  kept: number;
  by_kind: Record<string, number>;
  /** Of the circuit itself, on the test pairs. */
  kl: number;
  exact_match: number;
  accuracy: number;
  attack: AttackFigures;
  attacked_pairs: number;
  /** KL that prompts are driven to by shares of their own: mean, median and worst. */
  per_prompt: { prompts: number; mean: number; median: number; worst: number } | null;
  /** Left-out directions that the adversary puts back with the largest parts in what it does. */
  missed: { direction: string; share: number; part: number; returns: number | null }[];
  /** 0 for masks that were there. */
  train_seconds: number;
  /** Median of a step, validations aside; null where there was none. */
  step_seconds: Record<'soft' | 'rounding', number | null>;
  attack_seconds: number;
  /** Largest resident size of the process so far. */
  peak_gib: number;
}

const rows: Row[] =
  options.save && existsSync(options.save) ? JSON.parse(readFileSync(options.save, 'utf8')) : [];
for (const file of [options.save, options.masks && join(options.masks, 'x')])
  if (file) mkdirSync(dirname(file), { recursive: true });
const scratch = mkdtempSync(join(tmpdir(), 'orthoscope-bench-'));
try {
  for (const task of options.tasks.split(','))
    for (let seed = 0; seed < Number(options.seeds); seed++) await measure(recipe, task, seed);
} finally {
  rmSync(scratch, { recursive: true, force: true });
}

async function measure(recipe: Recipe, task: string, seed: number): Promise<void> {
  const wanted = options.trainings
    .split(',')
    .filter((name) => !rows.some((row) => row.task === task && row.seed === seed && row.training === name));
  if (wanted.length === 0) return;
  const trainings = recipe.trainings(task);
  for (const name of wanted)
    if (!trainings[name])
      throw new Error(`no training "${name}": choose from ${Object.keys(trainings).join(', ')}`);
  const prompts = await recipePrompts(recipe, options.model, task, seed, scratch);
  const sizes = {
    trainPairs: options.train && Number(options.train),
    validationPairs: options.validation && Number(options.validation),
    testPairs: options.test && Number(options.test),
  };
  const asked = Object.fromEntries(Object.entries(sizes).filter(([, count]) => count !== undefined));
  const defaults = complete('run', { model: options.model, ...prompts, ...asked });
  await withSubject(options.model, defaults, async (subject) => {
    const data = await loadData(subject, defaults, SPLITS);
    const { runner } = await openWorkbench(subject, workload(data, recipe.train(task).batchSize), {
      ...defaults,
      store: options.store ?? join(scratch, 'store'),
      engine: options.engine as EngineChoice,
    });
    const how = { replacement: defaults.replacement, seed };
    const train = await runner.prepare(data.splits.train!, how);
    const validation = await runner.prepare(data.splits.validation!, how);
    const test = await runner.prepare(data.splits.test!, how);
    for (const name of wanted) {
      const row = await attacked(
        runner,
        { train, validation, test },
        { task, seed, name, train: { ...trainings[name]!, ...JSON.parse(options.settings) } },
      );
      rows.push(row);
      process.stderr.write(`${JSON.stringify(row)}\n`);
      if (options.save) writeFileSync(options.save, `${JSON.stringify(rows, null, 1)}\n`);
    }
    await runner.close();
  });
}

async function attacked(
  runner: MaskRunner,
  { train, validation, test }: Record<'train' | 'validation' | 'test', RunnablePairs>,
  { task, seed, name, train: settings }: { task: string; seed: number; name: string; train: TrainSettings },
): Promise<Row> {
  const { layout } = runner;
  const steps: Record<HistoryLine['phase'], number[]> = { soft: [], rounding: [] };
  let trainSeconds = 0;
  const learn = async () => {
    const objective = {
      directions: layout.size,
      pairs: train.length,
      evaluate: (indices: readonly number[], masks: Float32Array) =>
        train.objective(indices, masks, settings.loss),
      validate: (masks: Float32Array) => validation.kl(masks),
    };
    const onHistory = (line: HistoryLine) => {
      trainSeconds += line.seconds;
      if (!line.validation) steps[line.phase].push(line.seconds);
      else
        process.stderr.write(
          `${task} ${seed} ${name} ${line.step}: KL ${line.kl.toFixed(4)}, Σm ${line.l1.toFixed(0)}\n`,
        );
    };
    return (await trainMasks(objective, settings, seed, { onHistory })).masks;
  };
  const file = options.masks && join(options.masks, `${task}-${seed}-${name}.f32`);
  const isThere = file && existsSync(file);
  // Soft masks that are there, of an interrupted training, stand for the circuit of those above ½.
  const masks = isThere ? readMasks(file).map((mask) => Number(mask > 0.5)) : await learn();
  if (file && !isThere) writeFileSync(file, Buffer.from(masks.buffer));
  const started = performance.now();
  const chosen = Math.min(train.length, Number(options.pairs));
  const some = (indices: number[]): Attacked => {
    const pull = (masks: Float32Array) => train.objective(indices, masks, 'kl');
    return { pull, kl: async (masks) => (await pull(masks)).kl };
  };
  const all = Array.from({ length: chosen }, (_, index) => index);
  const leftOut = layout.size - masks.reduce((sum, mask) => sum + mask, 0);
  const { figures, missed } = await attackCircuit(some(all), test, masks, {
    starts: Number(options.starts),
    marks,
    rate: 0.1,
    seed,
    budgetSteps: Number(options['budget-steps']),
    most: (
      options.most?.split(',').map(Number) ?? [1, 10, 100, ...[100, 10].map((n) => Math.round(leftOut / n))]
    ).sort((a, b) => a - b),
    caps: options.caps.split(',').map(Number),
    draws: Number(options.draws),
    points: Number(options.points),
    along: Number(options.points),
    exactly: Number(options.points),
  });
  const prompts = Math.min(train.length, Number(options.prompts));
  const each = await attackPrompts((prompt) => some([prompt]), prompts, masks);
  const sorted = each.slice().sort();
  const scores = await test.score(masks);
  const names = directionNames(runner);
  return {
    task,
    seed,
    training: name,
    settings,
    machine,
    directions: layout.size,
    kept: layout.size - leftOut,
    by_kind: Object.fromEntries(
      layout.kinds.map((kind) => [
        kind,
        masks.reduce((sum, mask, at) => sum + (names[at]!.kind === kind ? mask : 0), 0),
      ]),
    ),
    kl: mean(scores.kl)!,
    exact_match: mean(scores.exact_match)!,
    accuracy: mean(scores.accuracy)!,
    attack: figures,
    attacked_pairs: chosen,
    per_prompt:
      prompts === 0
        ? null
        : { prompts, mean: mean(each)!, median: quantile(sorted, 0.5), worst: sorted.at(-1)! },
    missed: missed
      .slice(0, 10)
      .map(({ direction, ...rest }) => ({ direction: names[direction]!.name, ...rest })),
    train_seconds: trainSeconds,
    step_seconds: { soft: median(steps.soft), rounding: median(steps.rounding) },
    attack_seconds: (performance.now() - started) / 1000,
    peak_gib: process.resourceUsage().maxRSS / 2 ** 20,
  };
}

function readMasks(file: string): Float32Array {
  const bytes = readFileSync(file);
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
}

function directionNames({ layout }: MaskRunner): { name: string; kind: string }[] {
  return layout.components.flatMap((component) =>
    Array.from({ length: layout.of(component).length }, (_, at) => ({
      name: `${component.name} ${at}`,
      kind: component.kind,
    })),
  );
}

function median(values: number[]): number | null {
  if (values.length === 0) return null;
  return quantile(
    [...values].sort((a, b) => a - b),
    0.5,
  );
}

if (options.json) process.stdout.write(`${JSON.stringify(rows, null, 1)}\n`);
else {
  console.log(`${machine}; engine ${await namedEngine(options.engine)}; recipe ${options.recipe}\n`);
  console.log(
    `| task | seed | training | kept | KL | adversary: ${marks.join(', ')} steps | exact match there | uniform, Bernoulli | shares ≤ ${rows[0]?.attack.by_cap.map(({ cap }) => cap).join(', ')} | prompts by themselves | step, soft and rounding | training | attack |`,
  );
  console.log('|---|---|---|---|---|---|---|---|---|---|---|---|---|');
  const n = (value: number | null) => value?.toPrecision(3) ?? '–';
  for (const { task, seed, training, kept, directions, kl, exact_match, attack, per_prompt, ...row } of rows)
    console.log(
      `| ${task} | ${seed} | ${training} | ${kept} of ${directions} | ${n(kl)} ` +
        `| ${attack.by_steps.map(({ kl }) => n(kl)).join(', ')} | ${n(attack.exact_match!)} (${n(exact_match)}) ` +
        `| ${attack.random ? `${n(attack.random.uniform.mean)}, ${n(attack.random.bernoulli.mean)}` : ''} ` +
        `| ${attack.by_cap.map(({ kl }) => n(kl)).join(', ')} | ${per_prompt ? n(per_prompt.mean) : ''} ` +
        `| ${n(row.step_seconds.soft)}, ${n(row.step_seconds.rounding)} s | ${row.train_seconds.toFixed(0)} s | ${row.attack_seconds.toFixed(0)} s |`,
    );
}
