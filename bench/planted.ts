/**
 * How well each method finds mechanisms whose directions are known, after `npm run build`:
 *
 *     node dist/bench/planted.js [--mechanisms copy,induction] [--seeds 10] [--positions last,all] [--engine native]
 *                                [--vary strength=0.5,1,2,4] [--vary overlap=0,0.3] [--bases svd,coordinates]
 *                                [--methods learned,attribution] [--settings JSON] [--rows FILE] [--save FILE]
 *
 * `--vary` names an option of planted models (`src/planted/planted-model.ts`) and its values; all combinations are run.
 * A seed changes weights, distractors, rotation, prompts and the order in which they come. Every model is a line of
 * `--rows`: what is there already is not measured again, and of a model that lacks a method that method alone. The tables
 * have means over seeds and the smallest F1; `--save` writes them
 * for all lines of the file, and a picture beside them.
 */

import { appendFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Basis } from '../src/decompose/basis.js';
import type { EngineChoice } from '../src/engine/engine.js';
import { attribution, conductance, integrated, randomScores } from '../src/evidence/rank-directions.js';
import { writeJson, writeText } from '../src/formats/atomic-file.js';
import type { TokenPair } from '../src/formats/token-pairs.js';
import type { Positions, Replacement } from '../src/forward/masking-rules.js';
import { bestCut } from '../src/masks/cut.js';
import { type MaskObjective, trainMasks } from '../src/masks/train.js';
import type { TrainState } from '../src/masks/train-state.js';
import { MECHANISMS, type Mechanism } from '../src/planted/mechanisms/mechanisms.js';
import { PLANTED_DEFAULTS, type PlantedOptions, plantModel } from '../src/planted/planted-model.js';
import { type DirectionTruth, recovery, sharesOf } from '../src/planted/recovery.js';
import { plantedPairs, writePlanted, writePlantedPairs } from '../src/planted/write-planted.js';
import { loadData, type RunData } from '../src/run/data.js';
import type { MaskRunner, RunnablePairs } from '../src/run/mask-runner.js';
import { withSubject } from '../src/run/subject.js';
import { openWorkbench, workload } from '../src/run/workbench.js';
import type { LossKind } from '../src/settings/choices.js';
import { complete } from '../src/settings/complete.js';
import { PRESETS, priceOf, type TrainSettings } from '../src/settings/train-settings.js';
import { mean } from '../src/statistics/summary.js';
import { picture, type RankedMethod, type Row, summary, tables } from './planted-tables.js';

const { values: options } = parseArgs({
  options: {
    mechanisms: { type: 'string', default: Object.keys(MECHANISMS).join(',') },
    seeds: { type: 'string', default: '10' },
    positions: { type: 'string', default: 'last' },
    bases: { type: 'string', default: 'svd' },
    vary: { type: 'string', multiple: true, default: [] },
    methods: { type: 'string' },
    settings: { type: 'string', default: '{}' },
    engine: { type: 'string', default: 'native' },
    rows: { type: 'string', default: 'runs/planted.jsonl' },
    save: { type: 'string' },
  },
});

const COUNTS = { train: 200, validation: 48, test: 80 };
const train: TrainSettings = { ...PRESETS.default, ...JSON.parse(options.settings) };

type Setting = Omit<PlantedOptions, 'seed'> & { positions: Positions; basis: Basis['basis'] };

/** Methods that rank directions, beside the soft masks that were learned: the larger a score, the surer. */
const RANKED: Record<Exclude<RankedMethod, 'learned'>, (on: RankedWith) => Promise<ArrayLike<number>>> = {
  attribution: async ({ pairs, size, score }) => (await attribution(pairs, size, score)).map(Math.abs),
  integrated: async ({ pairs, size, score }) => (await integrated(pairs, size, score, 8)).map(Math.abs),
  conductance: async ({ pairs, score }) => (await conductance(pairs, score, 8)).map(Math.abs),
  difference: ({ pairs }) => pairs.differences(),
  sigma: async ({ sigma }) => sigma,
  random: async ({ size, seed }) => randomScores(size, seed, 0),
};

interface RankedWith {
  pairs: RunnablePairs;
  size: number;
  score: LossKind;
  sigma: Float32Array;
  seed: number;
}

const methods = (options.methods?.split(',') ?? ['learned', ...Object.keys(RANKED)]) as RankedMethod[];
for (const method of methods)
  if (method !== 'learned' && !Object.hasOwn(RANKED, method))
    throw new Error(`there is no method "${method}"`);

const scratch = mkdtempSync(join(tmpdir(), 'orthoscope-bench-'));
const keyOf = ({ mechanism, positions, basis, seed, ...row }: Setting & { seed: number; settings: string }) =>
  JSON.stringify([
    ...[mechanism, positions, basis, seed, row.settings],
    ...Object.keys(PLANTED_DEFAULTS).map((name) => row[name as keyof typeof PLANTED_DEFAULTS]),
  ]);
mkdirSync(dirname(options.rows), { recursive: true });
/** Of each model the last line, which has the most methods. */
const rows = new Map<string, Row>();
if (existsSync(options.rows))
  for (const line of readFileSync(options.rows, 'utf8').trim().split('\n'))
    if (line) rows.set(keyOf(JSON.parse(line)), JSON.parse(line));
const asked: Row[] = [];
try {
  for (let seed = 0; seed < Number(options.seeds); seed++)
    for (const setting of settings()) {
      const key = keyOf({ ...setting, seed, settings: options.settings });
      const known = rows.get(key);
      const missing = methods.filter((method) => !known?.ranked[method]);
      if (missing.length > 0) {
        const row = await measure(setting, seed, known, missing);
        rows.set(key, row);
        appendFileSync(options.rows, `${JSON.stringify(row)}\n`);
        process.stderr.write(`${rows.size}: ${key} ${row.seconds.toFixed(1)} s\n`);
      }
      asked.push(rows.get(key)!);
    }
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
if (options.save) {
  const cells = summary([...rows.values()]);
  await writeJson(options.save, cells);
  await writeText(options.save.replace(/(\.json)?$/, '.svg'), picture(cells));
}
console.log(tables(summary(asked)));

/** Every combination of what is varied. */
function settings(): Setting[] {
  const varied = options.vary.map((text) => {
    const [name, values] = text.split('=') as [string, string];
    if (!Object.hasOwn(PLANTED_DEFAULTS, name)) throw new Error(`planted models have no option "${name}"`);
    return values.split(',').map((value) => ({ [name]: JSON.parse(value) as unknown }));
  });
  const combined = varied.reduce(
    (all, each) => all.flatMap((one) => each.map((more) => ({ ...one, ...more }))),
    [{}],
  );
  return options.mechanisms.split(',').flatMap((mechanism) =>
    options.positions.split(',').flatMap((positions) =>
      options.bases.split(',').flatMap((basis) =>
        combined.map((more) => ({
          ...PLANTED_DEFAULTS,
          mechanism: mechanism as Mechanism,
          positions: positions as Positions,
          basis: basis as Basis['basis'],
          ...more,
        })),
      ),
    ),
  );
}

/** @param known what an earlier line has of this model */
async function measure(
  setting: Setting,
  seed: number,
  known: Row | undefined,
  missing: readonly RankedMethod[],
): Promise<Row> {
  const { positions, basis, ...planting } = setting;
  const started = performance.now();
  const folder = join(scratch, 'model');
  const planted = plantModel({ ...planting, seed });
  await writePlanted(folder, planted);
  await writePlantedPairs(folder, await plantedPairs(folder, planted, COUNTS, seed));
  const defaults = complete('run', {
    model: folder,
    data: join(folder, 'train.jsonl'),
    validation: join(folder, 'validation.jsonl'),
    test: join(folder, 'test.jsonl'),
    positions,
    basis,
    seed,
  });
  return withSubject(folder, defaults, async (subject) => {
    const data = await loadData(subject, defaults, ['train', 'validation', 'test']);
    const { runner, decomposition } = await openWorkbench(subject, workload(data, train.batchSize), {
      ...defaults,
      store: join(scratch, 'store'),
      estimatedOn: data.splits.train,
      engine: options.engine as EngineChoice,
    });
    const { layout, sigma } = runner;
    const { size } = layout;
    const truth: DirectionTruth = new Map();
    for (let layer = 0; layer < planted.shape.layers; layer++)
      for (const [name, directions] of await decomposition.layer(layer))
        truth.set(name, sharesOf(planted.truth, directions, positions));
    const how = { replacement: defaults.replacement, seed };
    const pairs = await runner.prepare(data.splits.train!, how);
    const own = new Float32Array(size);
    for (const [name, values] of layout.split(own))
      values.set(truth.get(name)!.relevant.map((share) => Number(share > 0.1)));
    const carrying = own.reduce((sum, mark) => sum + mark, 0);
    /** F1 of the first directions, as many as carry the mechanism. */
    const judged = (given: ArrayLike<number>) => {
      const scores = Float32Array.from(given);
      const circuit = new Float32Array(size);
      const order = [...scores.keys()].sort((a, b) => scores[b]! - scores[a]! || a - b);
      for (const at of order.slice(0, carrying)) circuit[at] = 1;
      const { f1, auroc } = recovery(truth, layout.split(circuit), layout.split(scores));
      return { f1, auroc };
    };
    const ranked: Row['ranked'] = { ...known?.ranked };
    let found = known?.found;
    if (missing.includes('learned') || !known) {
      const learned = await learn(runner, pairs, data, { truth, own, seed, how });
      ranked.learned = judged(learned.soft);
      found = learned.found;
    }
    const score = scoreOf(data.splits.train!);
    for (const method of missing)
      if (method !== 'learned')
        ranked[method] = judged(await RANKED[method]({ pairs, size, score, sigma, seed }));
    await runner.close();
    return {
      ...{ ...setting, seed, settings: options.settings, directions: size },
      ...{ found: found!, ranked, seconds: (performance.now() - started) / 1000 },
    };
  });
}

/** Masks, and what the circuits that they give find. */
async function learn(
  runner: MaskRunner,
  pairs: RunnablePairs,
  data: RunData,
  {
    truth,
    own,
    seed,
    how,
  }: {
    truth: DirectionTruth;
    own: Float32Array;
    seed: number;
    how: { replacement: Replacement; seed: number };
  },
): Promise<{ soft: Float32Array; found: Row['found'] }> {
  const { layout } = runner;
  const validation = await runner.prepare(data.splits.validation!, how);
  const test = await runner.prepare(data.splits.test!, how);
  const objective: MaskObjective = {
    directions: layout.size,
    pairs: pairs.length,
    evaluate: (indices, values) => pairs.objective(indices, values, train.loss),
    validate: (values) => validation.kl(values),
  };
  let end: TrainState | undefined;
  const onCheckpoint = async (state: TrainState) => {
    if (state.phase === 'soft') end = structuredClone(state);
  };
  const { masks, soft } = await trainMasks(objective, { ...train, cut: 'half' }, seed, { onCheckpoint });
  const price = priceOf(train.roundingL1, layout.size);
  const { threshold } = await bestCut(soft, async (circuit) => {
    const kept = circuit.reduce((sum, mask) => sum + mask, 0);
    return (await validation.kl(circuit)) + price * kept;
  });
  const cut = soft.map((mask) => Number(mask > threshold));
  const rounded = await trainMasks(objective, { ...train, cut: 'validation' }, seed, {}, end);
  const judge = async (circuit: Float32Array) => {
    const scores = await test.score(circuit);
    const recovered = recovery(truth, layout.split(circuit), layout.split(soft));
    return { ...recovered, kl: mean(scores.kl)!, accuracy: mean(scores.accuracy)! };
  };
  const full = await test.score(own);
  return {
    soft,
    found: {
      full_accuracy: mean(full.full_accuracy)!,
      truth: { kl: mean(full.kl)!, without: await test.kl(own.map((mask) => 1 - mask)) },
      half: await judge(masks),
      cut: await judge(cut),
      validation: await judge(rounded.masks),
    },
  };
}

function scoreOf(pairs: readonly TokenPair[]): LossKind {
  return pairs.every(({ distractors }) => distractors.length > 0) ? 'logit_diff' : 'cross_entropy';
}
