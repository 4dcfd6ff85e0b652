/** `compare` on the embedded model, shortened. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { comparisonText } from '../../cli/commands/compare.js';
import { compare } from '../../src/commands/compare.js';
import { run } from '../../src/commands/run.js';
import type { Metrics } from '../../src/evaluate/metrics-file.js';
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
    methods: ['learned', 'attribution', 'attribution_heads', 'sigma', 'difference', 'random'],
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
    ['sigma', null],
    ['difference', null],
    ['random', null],
  ]);
  for (const { cuts } of comparison.methods) {
    expect(cuts.find(({ size }) => size === 1)!.kl).toBeLessThan(1e-4);
    expect(cuts.find(({ size }) => size === 1)!.f).toBeCloseTo(1, 3);
  }
  expect(JSON.parse(readFileSync(session.file('compare.json'), 'utf8'))).toEqual(
    JSON.parse(JSON.stringify(comparison)),
  );
  expect(session.manifest).toMatchObject({ command: 'compare', status: 'complete' });
  const page = readFileSync(report, 'utf8');
  expect(page.match(/class="curve series/g)).toHaveLength(2 * comparison.methods.length);
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

it('says in one line what it cannot compare', async () => {
  await expect(compare({ run: join(folder, 'run'), task: 'greater-than' })).rejects.toThrow(
    /brings its own prompts/,
  );
  await expect(compare({ run: 'embedded' })).rejects.toThrow(/no prompts/);
});
