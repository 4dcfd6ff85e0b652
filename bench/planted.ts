/**
 * How well learned masks find mechanisms whose directions are known, after `npm run build`:
 *
 *     node dist/bench/planted.js [--mechanisms copy,induction] [--seeds 10] [--positions last,all] [--engine native]
 *                                [--vary strength=0.5,1,2,4] [--vary overlap=0,0.3] [--bases svd,coordinates]
 *                                [--settings JSON] [--save FILE] [--json]
 *
 * `--vary` names an option of planted models (`src/planted/planted-model.ts`) and its values; all combinations are run.
 * A seed changes weights, distractors, rotation, prompts and the order in which they come. The table has means over
 * seeds, and the smallest F1; `--save` writes every run. A second table holds other methods that rank directions against
 * them: F1 of as many directions as the mechanism has, and AUROC.
 */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Basis } from '../src/decompose/basis.js';
import type { EngineChoice } from '../src/engine/engine.js';
import { attribution, integrated, randomScores } from '../src/evidence/rank-directions.js';
import type { TokenPair } from '../src/formats/token-pairs.js';
import type { Positions } from '../src/forward/masking-rules.js';
import { bestCut } from '../src/masks/cut.js';
import { type MaskObjective, trainMasks } from '../src/masks/train.js';
import type { TrainState } from '../src/masks/train-state.js';
import { MECHANISMS, type Mechanism } from '../src/planted/mechanisms/mechanisms.js';
import { PLANTED_DEFAULTS, type PlantedOptions, plantModel } from '../src/planted/planted-model.js';
import { type DirectionTruth, type Recovery, recovery, sharesOf } from '../src/planted/recovery.js';
import { plantedPairs, writePlanted, writePlantedPairs } from '../src/planted/write-planted.js';
import { loadData } from '../src/run/data.js';
import type { MaskRunner, RunnablePairs } from '../src/run/mask-runner.js';
import { withSubject } from '../src/run/subject.js';
import { openWorkbench, workload } from '../src/run/workbench.js';
import type { LossKind } from '../src/settings/choices.js';
import { complete } from '../src/settings/complete.js';
import { PRESETS, priceOf, type TrainSettings } from '../src/settings/train-settings.js';
import { mean } from '../src/statistics/summary.js';

const { values: options } = parseArgs({
  options: {
    mechanisms: { type: 'string', default: Object.keys(MECHANISMS).join(',') },
    seeds: { type: 'string', default: '10' },
    positions: { type: 'string', default: 'last' },
    bases: { type: 'string', default: 'svd' },
    vary: { type: 'string', multiple: true, default: [] },
    settings: { type: 'string', default: '{}' },
    engine: { type: 'string', default: 'native' },
    save: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});

const COUNTS = { train: 200, validation: 48, test: 80 };
const train: TrainSettings = { ...PRESETS.default, ...JSON.parse(options.settings) };

const WAYS = ['learned', 'cut', 'cut, rounded'] as const;
type Way = (typeof WAYS)[number];

type Setting = Omit<PlantedOptions, 'seed'> & { positions: Positions; basis: Basis['basis'] };

/** Methods that rank directions, with the soft masks that were learned. */
const RANKED = ['learned', 'attribution', 'integrated', 'difference', 'sigma', 'random'] as const;
type Ranked = (typeof RANKED)[number];

interface Row extends Setting {
  seed: number;
  directions: number;
  /** Of the full model, on the test prompts. */
  full_accuracy: number;
  /**
   * The circuit as it was learned; the soft masks cut where validation KL + λ · (number kept) is least
   * (`bestCut`); and that cut learned on from by the rounding phase, as `--cut validation` does. `auroc` is of the soft masks.
   */
  found: Record<Way, Recovery & { kl: number; accuracy: number }>;
  /** Of each ranking's first directions, as many as have a share of the mechanism of at least a tenth. */
  ranked: Record<Ranked, { f1: number; auroc: number | null }>;
  /** Where the soft masks were cut. */
  cut: number;
  /** KL of the true circuit, and of all but it. */
  truth: { kl: number; without: number };
  seconds: number;
}

const scratch = mkdtempSync(join(tmpdir(), 'orthoscope-bench-'));
const rows: Row[] = [];
try {
  for (const setting of settings())
    for (let seed = 0; seed < Number(options.seeds); seed++) {
      rows.push(await measure(setting, seed));
      process.stderr.write(`${JSON.stringify(rows.at(-1))}\n`);
      if (options.save) {
        mkdirSync(dirname(options.save), { recursive: true });
        writeFileSync(options.save, `${JSON.stringify({ engine: options.engine, train, rows }, null, 2)}\n`);
      }
    }
} finally {
  rmSync(scratch, { recursive: true, force: true });
}

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

async function measure(setting: Setting, seed: number): Promise<Row> {
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
    const bench = await openWorkbench(subject, workload(data, train.batchSize), {
      ...defaults,
      store: join(scratch, 'store'),
      estimatedOn: data.splits.train,
      engine: options.engine as EngineChoice,
    });
    const { runner, decomposition } = bench;
    const { layout } = runner;
    const truth: DirectionTruth = new Map();
    for (let layer = 0; layer < planted.shape.layers; layer++)
      for (const [name, directions] of await decomposition.layer(layer))
        truth.set(name, sharesOf(planted.truth, directions, positions));
    const how = { replacement: defaults.replacement, seed };
    const [pairs, validation, test] = [
      await runner.prepare(data.splits.train!, how),
      await runner.prepare(data.splits.validation!, how),
      await runner.prepare(data.splits.test!, how),
    ];
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
    const { threshold: cut } = await bestCut(soft, async (circuit) => {
      const kept = circuit.reduce((sum, mask) => sum + mask, 0);
      return (await validation.kl(circuit)) + price * kept;
    });
    const at = (threshold: number) => soft.map((mask) => Number(mask > threshold));
    const rounded = await trainMasks(objective, { ...train, cut: 'validation' }, seed, {}, end);
    const own = new Float32Array(layout.size);
    for (const [name, values] of layout.split(own))
      values.set(truth.get(name)!.relevant.map((share) => Number(share > 0.1)));
    const judge = async (circuit: Float32Array) => {
      const scores = await test.score(circuit);
      const recovered = recovery(truth, layout.split(circuit), layout.split(soft));
      return { ...recovered, kl: mean(scores.kl)!, accuracy: mean(scores.accuracy)! };
    };
    const full = await test.score(own);
    const size = own.reduce((sum, mark) => sum + mark, 0);
    const rankings = await rankingsOf(runner, pairs, soft, scoreOf(data.splits.train!), seed);
    const ranked = Object.fromEntries(
      RANKED.map((name) => {
        const scores = Float32Array.from(rankings[name]);
        const circuit = new Float32Array(layout.size);
        const order = [...scores.keys()].sort((a, b) => scores[b]! - scores[a]! || a - b);
        for (const at of order.slice(0, size)) circuit[at] = 1;
        const { f1, auroc } = recovery(truth, layout.split(circuit), layout.split(scores));
        return [name, { f1, auroc }];
      }),
    ) as Row['ranked'];
    const row: Row = {
      ...setting,
      seed,
      directions: layout.size,
      full_accuracy: mean(full.full_accuracy)!,
      found: {
        learned: await judge(masks),
        cut: await judge(at(cut)),
        'cut, rounded': await judge(rounded.masks),
      },
      ranked,
      cut,
      truth: { kl: mean(full.kl)!, without: await test.kl(own.map((mask) => 1 - mask)) },
      seconds: (performance.now() - started) / 1000,
    };
    await runner.close();
    return row;
  });
}

/** What each method says of each direction: the larger, the more it is of the mechanism. */
async function rankingsOf(
  { layout, sigma }: MaskRunner,
  pairs: RunnablePairs,
  soft: Float32Array,
  score: LossKind,
  seed: number,
): Promise<Record<Ranked, ArrayLike<number>>> {
  const { size } = layout;
  return {
    learned: soft,
    attribution: (await attribution(pairs, size, score)).map(Math.abs),
    integrated: (await integrated(pairs, size, score, 8)).map(Math.abs),
    difference: await pairs.differences(),
    sigma,
    random: randomScores(size, seed, 0),
  };
}

function scoreOf(pairs: readonly TokenPair[]): LossKind {
  return pairs.every(({ distractors }) => distractors.length > 0) ? 'logit_diff' : 'cross_entropy';
}

if (options.json) process.stdout.write(`${JSON.stringify(rows, null, 2)}\n`);
else {
  const machine = `${cpus()[0]?.model.trim()}, ${availableParallelism()} cores, Node ${process.version}`;
  console.log(`${machine}; engine ${options.engine}; ${options.seeds} seeds; settings ${options.settings}\n`);
  const varied = options.vary.map((text) => text.split('=')[0] as keyof Setting);
  const titles = [
    'mechanism',
    'positions',
    'basis',
    ...varied,
    'accuracy',
    'carrying of',
    'ceiling',
    'AUROC',
    'KL: true, all but it',
  ];
  for (const way of WAYS) titles.push(`${way}: precision, recall`, 'F1 (least)', 'KL');
  console.log(`| ${titles.join(' | ')} |\n|${'---|'.repeat(titles.length)}`);
  const named = (row: Row) => [
    row.mechanism,
    row.positions,
    row.basis,
    ...varied.map((name) => String(row[name])),
  ];
  const groups = new Map<string, Row[]>();
  for (const row of rows) {
    const key = JSON.stringify([row.mechanism, row.positions, row.basis, ...varied.map((name) => row[name])]);
    groups.set(key, [...(groups.get(key) ?? []), row]);
  }
  for (const group of groups.values()) {
    const first = group[0]!;
    const average = (of: (row: Row) => number) => mean(group.map(of))!;
    const figures = [
      average((row) => row.full_accuracy).toFixed(3),
      `${average(({ found }) => found.cut.carrying).toFixed(0)} of ${average((row) => row.directions).toFixed(0)}`,
      average(({ found }) => found.cut.ceiling).toFixed(3),
      average(({ found }) => found.cut.auroc ?? Number.NaN).toFixed(3),
      `${average(({ truth }) => truth.kl).toFixed(4)}, ${average(({ truth }) => truth.without).toFixed(2)}`,
      ...WAYS.flatMap((way) => {
        const least = Math.min(...group.map(({ found }) => found[way].f1));
        const figure = (name: 'precision' | 'recall' | 'f1' | 'kl', digits = 3) =>
          average(({ found }) => found[way][name]).toFixed(digits);
        return [
          `${figure('precision')}, ${figure('recall')}`,
          `${figure('f1')} (${least.toFixed(3)})`,
          figure('kl', 4),
        ];
      }),
    ];
    console.log(`| ${[...named(first), ...figures].join(' | ')} |`);
  }
  const heads = ['mechanism', 'positions', 'basis', ...varied, ...RANKED.map((name) => `${name}: F1, AUROC`)];
  console.log(`\n| ${heads.join(' | ')} |\n|${'---|'.repeat(heads.length)}`);
  for (const group of groups.values()) {
    const figures = RANKED.map((name) =>
      (['f1', 'auroc'] as const)
        .map((figure) =>
          (mean(group.map(({ ranked }) => ranked[name][figure] ?? Number.NaN)) ?? Number.NaN).toFixed(3),
        )
        .join(', '),
    );
    console.log(`| ${[...named(group[0]!), ...figures].join(' | ')} |`);
  }
}
