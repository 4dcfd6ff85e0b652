import { cpSync, readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it, vi } from 'vitest';
import { decompose } from '../../src/decompose/decompose.js';
import { DecompositionStore } from '../../src/decompose/store.js';
import { InterruptedError } from '../../src/errors.js';
import type { Model } from '../../src/models/weights.js';
import type { ProgressEvent } from '../../src/progress.js';
import { decomposed } from '../support/decomposed.js';
import { openForTest } from '../support/open-model.js';
import { writeRandomGpt2 } from '../support/random-gpt2.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const folder = temporaryFolder();
process.env.ORTHOSCOPE_CACHE = join(folder, 'cache');
let model: Model;

beforeAll(async () => {
  await writeRandomGpt2(join(folder, 'model'), { layers: 3 });
  model = await openForTest(join(folder, 'model'));
});

const storeIn = (name: string) => new DecompositionStore(join(folder, name));

/** Same length, so that only the header changes. */
function renameTensor(path: string, name: string, to: string): void {
  writeFileSync(
    path,
    Buffer.from(readFileSync(path, 'latin1').replace(`"${name}":{`, `"${to}":{`), 'latin1'),
  );
}

/** Path of the only decomposition's layer file. */
function layerFile(store: DecompositionStore, layer: number): string {
  return store.path(readdirSync(store.folder)[0]!, layer);
}

it('computes in worker threads what one thread computes, and loads it the second time', async () => {
  const store = storeIn('a');
  const first = await decompose(model, { store, workers: 2 });
  expect(first.computed).toBe(3);
  const alone = await decomposed(model);
  const second = await decompose(model, { store, workers: 2 });
  expect(second.computed).toBe(0);
  for (let layer = 0; layer < 3; layer++)
    for (const [name, { u, s, vt, component }] of await second.layer(layer)) {
      const wanted = alone.reference.directions.get(name)!;
      expect(component).toEqual(wanted.component);
      expect(s).toEqual(wanted.s);
      expect(u).toEqual(wanted.u);
      expect(vt).toEqual(wanted.vt);
    }
});

it('reads what is stored without asking for the weights', async () => {
  const store = storeIn('a');
  const layer = () => Promise.reject(new Error('the weights were asked for'));
  const decomposition = await decompose({ ...model, layer }, { store, workers: 1 });
  expect(decomposition.computed).toBe(0);
  expect((await decomposition.layer(2)).size).toBe(6);
});

it('reads single components and singular values when asked for', async () => {
  const store = storeIn('a');
  const decomposition = await decompose(model, { store, workers: 2 });
  const whole = await decomposition.layer(1);
  const one = await decomposition.layer(1, ['L1H1.ov']);
  expect([...one.keys()]).toEqual(['L1H1.ov']);
  expect(one.get('L1H1.ov')).toEqual(whole.get('L1H1.ov'));
  const components = [...whole.values()].map(({ component }) => component);
  const sigma = await store.readSigma(decomposition.key, 1, components);
  for (const [name, { s }] of whole) expect(sigma!.get(name)).toEqual(s);
});

it('finds out before it computes that the store cannot be written', async () => {
  const path = join(folder, 'a file');
  writeFileSync(path, '');
  const onProgress = vi.fn();
  const store = new DecompositionStore(path);
  await expect(decompose(model, { store, workers: 1, onProgress })).rejects.toThrow(/a file: is a file/);
  expect(onProgress).not.toHaveBeenCalled();
});

it('keeps σ whole and rounds vectors where it stores f16', async () => {
  const [single, half] = [storeIn('a'), new DecompositionStore(join(folder, 'a'), 'f16')];
  const exact = await (await decompose(model, { store: single, workers: 2 })).layer(0);
  const rounded = await (await decompose(model, { store: half, workers: 2 })).layer(0);
  for (const [name, { u, s, vt }] of exact) {
    const found = rounded.get(name)!;
    expect(found.s).toEqual(s);
    for (const [a, b] of [
      [u, found.u],
      [vt, found.vt],
    ] as const)
      a.forEach((x, i) => expect(Math.abs(x - b[i]!)).toBeLessThanOrEqual(2 ** -11 * Math.abs(x) + 2 ** -25));
  }
});

it('reports components one by one, and shares of the work that add up', async () => {
  const events: ProgressEvent[] = [];
  await decompose(model, {
    store: storeIn('e'),
    workers: 2,
    onProgress: (event) => events.push(event),
  });
  expect(events.map(({ done }) => done)).toEqual(Array.from({ length: 3 * 6 + 1 }, (_, i) => i));
  const shares = events.map(({ share }) => share!);
  for (let i = 1; i < shares.length; i++) expect(shares[i]).toBeGreaterThan(shares[i - 1]!);
  expect(shares[0]).toBe(0);
  expect(shares.at(-1)).toBeCloseTo(1, 12);
});

it('stops everything when one layer fails, and says why', async () => {
  cpSync(join(folder, 'model'), join(folder, 'broken'), { recursive: true });
  const weights = join(folder, 'broken', 'model.safetensors');
  renameTensor(weights, 'transformer.h.1.mlp.c_fc.bias', 'transformer.h.1.mlp.c_fc.biaS');
  const broken = await openForTest(join(folder, 'broken'));
  await expect(decompose(broken, { store: storeIn('f'), workers: 1 })).rejects.toThrow(
    /no tensor "transformer\.h\.1\.mlp\.c_fc\.bias"/,
  );
});

it('notices a damaged or cut entry and computes it anew', async () => {
  const store = storeIn('b');
  const decomposition = await decompose(model, { store, workers: 2 });
  const wanted = await decomposition.layer(1);
  const path = layerFile(store, 1);
  const damages: (() => void)[] = [
    () => {
      const bytes = readFileSync(path);
      bytes[bytes.length - 40]! ^= 1;
      writeFileSync(path, bytes);
    },
    () => truncateSync(path, statSync(path).size - 4),
    () => renameTensor(path, 'L1H0.qk.s', 'L1H0.qk.S'),
    () => writeFileSync(path, 'nothing of the kind'),
  ];
  for (const damage of damages) {
    damage();
    expect(await decomposition.layer(1)).toEqual(wanted);
    expect((await decompose(model, { store, workers: 2 })).computed).toBe(0);
  }
});

it('keeps entries of other forms and other components apart', async () => {
  const store = storeIn('c');
  const folded = await openForTest(join(folder, 'model'), 'folded');
  const keys = [
    (await decompose(model, { store, workers: 2 })).key,
    (await decompose(folded, { store, workers: 2 })).key,
    (await decompose(model, { store, workers: 2, kinds: ['qk'] })).key,
  ];
  expect(new Set(keys).size).toBe(3);
});

it('interrupted, leaves finished layers usable', async () => {
  const store = storeIn('d');
  const abort = new AbortController();
  const interrupted = decompose(model, {
    store,
    workers: 2,
    signal: abort.signal,
    onProgress: ({ done }) => {
      if (done === 10) abort.abort();
    },
  });
  await expect(interrupted).rejects.toThrow(InterruptedError);
  const { computed } = await decompose(model, { store, workers: 2 });
  expect(computed).toBeGreaterThan(0);
  expect(computed).toBeLessThanOrEqual(3);
  const files = readdirSync(join(store.folder, readdirSync(store.folder)[0]!));
  expect(files.sort()).toEqual(['layer-000.safetensors', 'layer-001.safetensors', 'layer-002.safetensors']);
});
