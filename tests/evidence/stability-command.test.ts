/** `stability` on two short runs of the embedded model, and on a third over another basis. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { stabilityText } from '../../cli/commands/stability.js';
import { run } from '../../src/commands/run.js';
import { stability } from '../../src/commands/stability.js';
import type { Metrics } from '../../src/evaluate/metrics-file.js';
import { readMasks } from '../../src/masks/masks-file.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const folder = temporaryFolder();
process.env.ORTHOSCOPE_CACHE = join(folder, 'cache');

const SHORT = {
  trainPairs: 16,
  validationPairs: 8,
  testPairs: 12,
  steps: 14,
  l1: 0.01,
  roundingSteps: 3,
  controlSeeds: 0,
  attack: 0,
  pagePrompts: 0,
  engine: 'wasm',
} as const;
const at = (name: string) => join(folder, name);

const metrics: Metrics[] = [];
beforeAll(async () => {
  const make = async (name: string, given: object) =>
    metrics.push((await run({ ...SHORT, task: 'ioi', ...given, out: at(name) })).metrics);
  await make('first', {});
  await make('second', { seed: 1 });
  await make('other', { task: 'gendered-pronoun' });
  await make('turned', { basis: 'random' });
}, 240_000);

async function kept(name: string): Promise<Set<string>> {
  const { values } = await readMasks(join(at(name), 'masks.safetensors'));
  return new Set(
    [...values].flatMap(([component, masks]) =>
      [...masks.keys()].filter((k) => masks[k]! > 0.5).map((k) => `${component}.${k}`),
    ),
  );
}

it('measures the core, the union, and each circuit on the prompts of the others', async () => {
  const runs = ['first', 'second', 'other'].map(at);
  const { stability: found, file } = await stability({ runs, draws: 3, out: at('out'), engine: 'wasm' });
  expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual(JSON.parse(JSON.stringify(found)));
  const circuits = await Promise.all(['first', 'second', 'other'].map(kept));
  const all = [...circuits[0]!].filter((name) => circuits.every((one) => one.has(name)));
  expect([...found.sets!.core].sort()).toEqual(all.sort());
  const union = new Set(circuits.flatMap((one) => [...one]));
  const { core, contingent, noise } = found.sets!;
  expect(core.length + contingent.length + noise.length).toBe(union.size);
  // Two kinds of prompts for seeds: each run has drawn its own.
  expect(found.on.map(({ source }) => source)).toEqual([
    'task ioi, seed 0',
    'task ioi, seed 1',
    'task gendered-pronoun, seed 0',
  ]);
  found.on.forEach((on, i) => {
    const { binarised } = metrics[i]!.splits.test!;
    expect(on.circuits[i]!.kl).toBeCloseTo(binarised.kl!, 6);
    expect(on.circuits[i]!.size).toBe(binarised.active);
    expect(on.circuits[i]!.f).toBeCloseTo(binarised.faithfulness!, 6);
    expect([on.core!.size, on.union!.size]).toEqual([all.length, union.size]);
    expect(on.own_parts!.map(({ size }) => size)).toEqual(circuits.map((one) => one.size - all.length));
    expect(on.random!.kl).toHaveLength(3);
  });
  // In one basis, and an orthonormal one, what is shared are directions.
  const [{ shared, smaller }] = found.spaces as [(typeof found.spaces)[0]];
  expect(shared).toBeGreaterThan(0);
  expect(shared).toBeLessThanOrEqual(smaller + 1e-6);
  for (const row of stabilityText(found).split('\n')) expect(row.length).toBeLessThanOrEqual(90);
}, 240_000);

it('compares spaces, and what circuits do, between bases', async () => {
  const { stability: found } = await stability({
    runs: [at('first'), at('turned')],
    out: at('bases'),
    engine: 'wasm',
  });
  expect([found.sets, found.on.length, found.on[0]!.core]).toEqual([null, 1, null]);
  expect(found.on[0]!.circuits[1]!.kl).toBeCloseTo(metrics[3]!.splits.test!.binarised.kl!, 6);
  expect(found.spaces[0]!.components.length).toBeGreaterThan(0);
}, 240_000);

it('says in one line what it cannot compare', async () => {
  await expect(stability({ runs: [at('first')] })).rejects.toThrow('is one run; name at least two');
  await expect(stability({ runs: [folder] })).rejects.toThrow('holds no sweep');
});
