/** `compare` on the embedded model, shortened. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { comparisonText } from '../../cli/commands/compare.js';
import { compare } from '../../src/commands/compare.js';
import { run } from '../../src/commands/run.js';
import type { Metrics } from '../../src/evaluate/metrics-file.js';
import type { Cut } from '../../src/evidence/compare-file.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const folder = temporaryFolder();
process.env.ORTHOSCOPE_CACHE = join(folder, 'cache');

const SHORT = {
  trainPairs: 32,
  validationPairs: 12,
  testPairs: 24,
  steps: 16,
  roundingSteps: 4,
  engine: 'wasm',
} as const;

let metrics: Metrics;
beforeAll(async () => {
  const out = join(folder, 'run');
  ({ metrics } = await run({ task: 'ioi', out, controlSeeds: 0, attack: 0, ...SHORT }));
}, 240_000);

it("cuts the run's masks at their own size to the run's own figures", async () => {
  const {
    comparison,
    run: session,
    report,
  } = await compare({
    run: join(folder, 'run'),
    methods: ['learned', 'attribution', 'attribution_heads', 'conductance', 'sigma', 'difference', 'random'],
    points: 2,
    randomDraws: 2,
    resamples: 50,
    out: join(folder, 'compared'),
    engine: 'wasm',
  });
  const { binarised, hash } = metrics.splits.test!;
  const [learned] = comparison.methods;
  const own = learned!.cuts.at(-1)!;
  expect(own).toMatchObject({ size: null, kept: binarised.active });
  expect(own.kl).toBeCloseTo(binarised.kl!, 6);
  expect(own.exact_match).toBe(binarised.exact_match);
  expect(own.f).toBeCloseTo(binarised.faithfulness!, 6);
  expect(comparison.own_size).toBe(binarised.active);
  expect(comparison.measured.tested_on).toMatchObject({ hash, pairs: 24 });
  expect(learned).toMatchObject({ gradients: 20 * 32 });
  expect(comparison.methods.map(({ id, ranking }) => [id, ranking])).toEqual([
    ['learned', null],
    ['attribution', 'signed'],
    ['attribution', 'absolute'],
    ['attribution_heads', 'signed'],
    ['attribution_heads', 'absolute'],
    ['conductance', 'signed'],
    ['conductance', 'absolute'],
    ['sigma', null],
    ['difference', null],
    ['random', null],
  ]);
  // Three passes over 32 pairs for two parts of the way.
  expect(comparison.methods[5]).toMatchObject({ id: 'conductance', gradients: 96 });
  for (const { cuts } of comparison.methods) {
    expect(cuts.find(({ size }) => size === 1)!.kl).toBeLessThan(1e-4);
    expect(cuts.find(({ size }) => size === 1)!.f).toBeCloseTo(1, 3);
  }
  expect(JSON.parse(readFileSync(session.file('compare.json'), 'utf8'))).toEqual(
    JSON.parse(JSON.stringify(comparison)),
  );
  expect(session.manifest).toMatchObject({ command: 'compare', status: 'complete' });
  const page = readFileSync(report, 'utf8');
  // Seven rankings in two figures, each with one panel for gradients, for heads and for the rest.
  expect(page.match(/class="curve series-\d( dashed)?" d="M[^h]*"/g)).toHaveLength(2 * 8);
  for (const line of comparisonText(comparison).split('\n').slice(2))
    expect(line.length).toBeLessThanOrEqual(90);
}, 240_000);

it('trains where a model is named, and one mask for each head', async () => {
  const { comparison } = await compare({
    run: 'embedded',
    task: 'ioi',
    methods: ['learned', 'learned_heads', 'patching_heads'],
    rankPairs: 8,
    cutPairs: 8,
    resamples: 20,
    out: join(folder, 'from-model'),
    ...SHORT,
    steps: 6,
    roundingSteps: 2,
  });
  const [learned, heads, patched] = comparison.methods;
  expect(learned!.gradients).toBe(8 * 32);
  expect(heads).toMatchObject({ unit: 'head', gradients: 8 * 32 });
  // Each of 15 heads and MLPs once, and the whole.
  expect(patched!.forwards).toBe(16 * 8);
}, 240_000);

it('trains masks of neurons beside those of directions, as a comparison of neurons alone does', async () => {
  const shortest = { ...SHORT, steps: 4, roundingSteps: 2, rankPairs: 8, cutPairs: 8, resamples: 20 };
  const given = { run: 'embedded', task: 'ioi', ...shortest } as const;
  const { comparison } = await compare({
    ...given,
    methods: ['sigma', 'learned_neurons'],
    out: join(folder, 'neurons'),
  });
  const { comparison: alone } = await compare({
    ...given,
    basis: 'coordinates',
    methods: ['learned'],
    out: join(folder, 'neurons-alone'),
  });
  const [beside] = comparison.methods;
  expect(beside).toMatchObject({ id: 'learned_neurons', unit: 'neuron', gradients: 6 * 32 });
  const tenSizes = (cuts: readonly Cut[]) => cuts.filter(({ size }) => size !== null);
  expect(tenSizes(beside!.cuts)).toEqual(tenSizes(alone.methods[0]!.cuts));
  expect(beside!.cuts.at(-1)).toMatchObject({ size: null, kept: comparison.own_size });
  expect(comparison.directions).toBe(780);
  expect(alone.directions).toBe(783);
}, 240_000);

it('ranks QK directions by sparse attention where QK alone is masked', async () => {
  const { comparison } = await compare({
    run: 'embedded',
    task: 'ioi',
    components: ['qk'],
    methods: ['sparse_attention', 'random'],
    ...SHORT,
    ...{ steps: 4, roundingSteps: 2, rankPairs: 12, cutPairs: 8, resamples: 20 },
    out: join(folder, 'qk'),
  });
  const [sparse, random] = comparison.methods;
  expect(sparse).toMatchObject({ id: 'sparse_attention', ranking: null, forwards: 12, gradients: 0 });
  const half = (cuts: readonly Cut[]) => cuts.find(({ size }) => size === 0.5)!.kl;
  expect(half(sparse!.cuts)).toBeLessThan(half(random!.cuts));
  const all = compare({ run: 'embedded', task: 'ioi', methods: ['sparse_attention'], ...SHORT });
  await expect(all).rejects.toThrow(/ranks QK directions alone; add --components qk/);
}, 240_000);

it('says in one line what it cannot compare', async () => {
  await expect(compare({ run: join(folder, 'run'), task: 'greater-than' })).rejects.toThrow(
    /brings its own prompts/,
  );
  await expect(compare({ run: 'embedded' })).rejects.toThrow(/no prompts/);
});
