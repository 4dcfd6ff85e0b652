import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { decompose } from '../../src/decompose/decompose.js';
import { type PlanOptions, planDecomposition } from '../../src/decompose/decomposition-plan.js';
import { expectedSeconds } from '../../src/decompose/expected-seconds.js';
import { DecompositionStore } from '../../src/decompose/store.js';
import { InputError } from '../../src/errors.js';
import type { Model } from '../../src/models/weights.js';
import type { StoreDtype } from '../../src/settings/choices.js';
import { openForTest } from '../support/open-model.js';
import { writeRandomGpt2 } from '../support/random-gpt2.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const folder = temporaryFolder();
process.env.ORTHOSCOPE_CACHE = join(folder, 'cache');
const store = new DecompositionStore(join(folder, 'store'));
let small: Model;

beforeAll(async () => {
  await writeRandomGpt2(join(folder, 'model'), { layers: 3 });
  small = await openForTest(join(folder, 'model'));
});

/** A model of GPT-2 small's shape, or another, of which only the shape is asked. */
function shaped(layers = 12, width = 768): Model {
  const shape = {
    nLayers: layers,
    dModel: width,
    nHeads: 12,
    nKvHeads: 12,
    dHead: width / 12,
    dMlp: 4 * width,
  };
  return { ...small, architecture: { ...small.architecture, ...shape }, hash: async () => 'shape' };
}

const plan = (model: Model, options: Partial<PlanOptions> = {}) =>
  planDecomposition(model, { store, workers: 2, ...options });

describe('a plan for GPT-2 small', () => {
  it('has all of its 37,020 directions, on the disk that they take', async () => {
    const { components, missing, diskBytes } = await plan(shaped());
    expect(components).toHaveLength(312);
    expect(components.reduce((sum, { rank }) => sum + rank, 0)).toBe(37_020);
    expect(missing).toHaveLength(12);
    const numbers = components.reduce((sum, { rank, rows, cols }) => sum + rank * (rows + cols + 2), 0);
    expect(diskBytes).toBe(4 * numbers);
    expect(diskBytes).toBeLessThan(0.41e9);
    const half = await plan(shaped(), { store: new DecompositionStore(store.folder, 'f16') });
    expect(half.diskBytes).toBeGreaterThan(diskBytes / 2);
    expect(half.diskBytes).toBeLessThan(0.51 * diskBytes);
  });

  it('works on more layers at a time the more threads there are', async () => {
    const flights = await Promise.all(
      [1, 2, 8, 32].map(async (workers) => (await plan(shaped(), { workers })).layersInFlight),
    );
    expect(flights[0]).toBeGreaterThan(1);
    for (let i = 1; i < 4; i++) expect(flights[i]).toBeGreaterThanOrEqual(flights[i - 1]!);
    expect(flights[3]).toBe(12);
    expect((await plan(shaped(1), { workers: 32 })).layersInFlight).toBe(1);
  });

  it('stays within the memory: fewer layers, then fewer threads, then none', async () => {
    const free = await plan(shaped(), { workers: 8 });
    expect(free.workers).toBe(8);
    let last = free;
    for (let memory = free.memoryBytes; ; memory *= 0.95) {
      let next: typeof free;
      try {
        next = await plan(shaped(), { workers: 8, memory });
      } catch (error) {
        expect(error).toBeInstanceOf(InputError);
        expect((error as Error).message).toMatch(/^--memory .*takes at least \d+ MB; raise it$/);
        break;
      }
      expect(next.memoryBytes).toBeLessThanOrEqual(memory);
      expect(next.workers).toBeLessThanOrEqual(last.workers);
      last = next;
    }
    expect(last).toMatchObject({ workers: 1, layersInFlight: 1 });
  });
});

describe('a plan', () => {
  it('leaves out what the store has', async () => {
    const full = await plan(small);
    await decompose(small, { store, workers: 1 });
    // Then no limit is too low either.
    expect(await plan(small, { memory: 1 })).toMatchObject({
      missing: [],
      flops: 0,
      diskBytes: 0,
      key: full.key,
    });
    expect(full.missing).toEqual([0, 1, 2]);
    expect(full.flops).toBeGreaterThan(0);
  });

  it('names entries of another number format, form, or choice of kinds differently', async () => {
    const key = async (options: Partial<PlanOptions>) => (await plan(small, options)).key;
    const at = (dtype: StoreDtype) => new DecompositionStore(store.folder, dtype);
    const keys = [
      await key({}),
      await key({ store: at('f16') }),
      await key({ kinds: ['qk'] }),
      (await plan({ ...small, form: 'folded' })).key,
    ];
    expect(new Set(keys).size).toBe(4);
    expect(await key({ store: at('f32') })).toBe(keys[0]);
  });
});

it('expects time in proportion to the work and the threads', async () => {
  const whole = await plan(shaped());
  const seconds = await expectedSeconds(whole);
  expect(seconds).toBeGreaterThan(0.1);
  expect(seconds).toBeLessThan(1000);
  expect(await expectedSeconds({ ...whole, missing: [] })).toBe(0);
});
