/** Runs of the embedded model over other bases: exact with everything kept, and measured again as they were. */
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { decompose } from '../../src/commands/decompose.js';
import { evaluate } from '../../src/commands/evaluate.js';
import { run } from '../../src/commands/run.js';
import { openSafetensors } from '../../src/formats/safetensors.js';
import { type TensorData, writeSafetensors } from '../../src/formats/safetensors-write.js';
import { readMasks } from '../../src/masks/masks-file.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const folder = temporaryFolder();
process.env.ORTHOSCOPE_CACHE = join(folder, 'cache');

const SHORT = {
  task: 'ioi',
  trainPairs: 12,
  validationPairs: 6,
  testPairs: 8,
  steps: 4,
  roundingSteps: 2,
  controlSeeds: 1,
  attack: 0,
  pagePrompts: 0,
  engine: 'wasm',
} as const;

/** A file with the first directions of a matrix and of a head, as the store has them: the rest is left over. */
async function someDirections(): Promise<string> {
  const { folder: stored } = await decompose({ model: 'embedded' });
  const source = await openSafetensors(join(stored, 'layer-001.safetensors'));
  const tensors = new Map<string, TensorData>();
  for (const [name, n] of [
    ['L1.mlp_in', 5],
    ['L1H2.ov', 3],
  ] as const) {
    const [rows, rank] = source.info(`${name}.u`).shape as [number, number];
    const [, cols] = source.info(`${name}.vt`).shape as [number, number];
    const u = await source.readFloat32(`${name}.u`);
    const data = Float32Array.from({ length: rows * n }, (_, at) => u[Math.floor(at / n) * rank + (at % n)]!);
    tensors.set(`${name}.u`, { dtype: 'F32', shape: [rows, n], data });
    const [s, vt] = [await source.readFloat32(`${name}.s`), await source.readFloat32(`${name}.vt`)];
    tensors.set(`${name}.s`, { dtype: 'F32', shape: [n], data: s.slice(0, n) });
    tensors.set(`${name}.vt`, { dtype: 'F32', shape: [n, cols], data: vt.slice(0, n * cols) });
  }
  await source.close();
  const file = join(folder, 'own.safetensors');
  await writeSafetensors(file, tensors);
  return file;
}

it('is exact with everything kept, stores its directions, and measures the same again', async () => {
  const basisFile = await someDirections();
  for (const [basis, name, sizes] of [
    ['principal', /^principal:[0-9a-f]{16}:last$/, { 'L1.mlp_in': 64, 'L1H2.ov': 17 }],
    ['coordinates', /^coordinates$/, { 'L1.mlp_in': 64, 'L1.mlp_out': 65, 'L1H2.ov': 17 }],
    // As many as are left over make up for what the file leaves out.
    ['loaded', /^loaded:[0-9a-f]{16}$/, { 'L1.mlp_in': 64, 'L1H2.ov': 17, 'L0H0.ov': 17 }],
  ] as const) {
    const out = join(folder, basis);
    const given = { ...SHORT, basis, ...(basis === 'loaded' && { basisFile }) };
    const { metrics } = await run({ ...given, out });
    const test = metrics.splits.test!;
    expect(test.controls!.all_on.kl, basis).toBeLessThan(1e-5);
    const { values, metadata } = await readMasks(join(out, 'masks.safetensors'));
    expect(metadata.basis).toMatch(name);
    for (const [component, size] of Object.entries(sizes))
      expect([basis, component, values.get(component)!.length]).toEqual([basis, component, size]);
    // Other threads read the directions from the store.
    const again = await evaluate({ run: out, out: `${out}-again`, workers: 2, controlSeeds: 0 });
    expect(again.metrics.splits.test!.kl, basis).toBeCloseTo(test.kl!, 6);
  }
}, 240_000);

it('says what it lacks', async () => {
  const out = join(folder, 'never');
  await expect(run({ ...SHORT, basis: 'loaded', out })).rejects.toThrow('name its file with --basis-file');
  await expect(run({ ...SHORT, basis: 'coordinates', rank: 4, out })).rejects.toThrow(
    '--rank 4: the first directions of the basis coordinates are no more than the others',
  );
  await expect(decompose({ model: 'embedded', basis: 'principal' })).rejects.toThrow(
    '--basis principal: is estimated on training prompts',
  );
  await expect(
    evaluate({ run: join(folder, 'principal'), task: 'greater-than', out, store: join(folder, 'empty') }),
  ).rejects.toThrow('--basis principal: is estimated on training prompts, and these are not there');
  await expect(evaluate({ run: join(folder, 'coordinates'), basis: 'svd', out })).rejects.toThrow(
    'masks over the basis coordinates, but svd is asked for; give --basis coordinates',
  );
}, 120_000);
