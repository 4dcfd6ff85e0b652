import { readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { decompose } from '../../src/decompose/decompose.js';
import { DecompositionStore } from '../../src/decompose/store.js';
import { InterruptedError } from '../../src/errors.js';
import type { Model } from '../../src/models/weights.js';
import { temporaryFolder } from '../formats/temporary-folder.js';
import { decomposed } from '../support/decomposed.js';
import { openForTest } from '../support/open-model.js';
import { writeRandomGpt2 } from '../support/random-gpt2.js';

const folder = temporaryFolder();
process.env.ORTHOSCOPE_CACHE = join(folder, 'cache');
let model: Model;

beforeAll(async () => {
  await writeRandomGpt2(join(folder, 'model'), { layers: 3 });
  model = await openForTest(join(folder, 'model'));
});

const storeIn = (name: string) => new DecompositionStore(join(folder, name));

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
