import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, expect, it, vi } from 'vitest';
import { InterruptedError } from '../../src/errors.js';
import { openSafetensors, openWeights } from '../../src/formats/safetensors.js';
import { type TensorData, writeSafetensors } from '../../src/formats/safetensors-write.js';
import type { ProgressEvent } from '../../src/progress.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const folder = temporaryFolder();
const path = join(folder, 'a.safetensors');
const cache = join(folder, 'cache');
const memos = join(cache, 'content-hashes');

beforeEach(() => {
  vi.stubEnv('ORTHOSCOPE_CACHE', cache);
  rmSync(cache, { recursive: true, force: true });
});

const a: TensorData = { dtype: 'F32', shape: [2], data: Float32Array.of(1, 2) };
const b: TensorData = { dtype: 'F16', shape: [1, 1], data: Float32Array.of(3) };

/** The hash, and how many bytes were read for it. */
async function hash(target = path): Promise<{ sha256: string; hashed: number }> {
  const source = target === path ? await openSafetensors(path) : await openWeights(target);
  let hashed = 0;
  const sha256 = await source.contentHash({ onProgress: ({ done }: ProgressEvent) => (hashed = done) });
  await source.close();
  return { sha256, hashed };
}

it('is the SHA-256 of what it says it is', async () => {
  await writeSafetensors(
    path,
    new Map([
      ['b', b],
      ['a', a],
    ]),
  );
  const expected = createHash('sha256')
    .update('["a","F32",[2]]\n')
    .update(new Uint8Array(Float32Array.of(1, 2).buffer))
    .update('["b","F16",[1,1]]\n')
    .update(new Uint8Array(Uint16Array.of(0x4200).buffer))
    .digest('hex');
  expect(await hash()).toEqual({ sha256: expected, hashed: 10 });
});

it('is the same for one file and for shards, whatever their metadata', async () => {
  const model = join(folder, 'model');
  mkdirSync(model);
  await writeSafetensors(
    path,
    new Map([
      ['a', a],
      ['b', b],
    ]),
    { format: 'pt' },
  );
  await writeSafetensors(join(model, '1.safetensors'), new Map([['b', b]]));
  await writeSafetensors(join(model, '2.safetensors'), new Map([['a', a]]));
  writeFileSync(
    join(model, 'model.safetensors.index.json'),
    JSON.stringify({ weight_map: { a: '2.safetensors', b: '1.safetensors' } }),
  );
  expect(await hash(model)).toEqual(await hash());
});

it('changes with a name, a dtype, a shape or a value', async () => {
  const seen = new Set<string>();
  for (const tensors of [
    [['a', a]],
    [['b', a]],
    [['a', { ...a, shape: [1, 2] }]],
    [['a', { ...a, data: Float32Array.of(1, 3) }]],
    [['a', { dtype: 'I32', shape: [2], data: new Int32Array(Float32Array.of(1, 2).buffer) }]],
    [
      ['a', a],
      ['b', b],
    ],
  ] as [string, TensorData][][]) {
    await writeSafetensors(path, new Map(tensors));
    seen.add((await hash()).sha256);
  }
  expect(seen.size).toBe(6);
});

it('is computed once while the file stays as it is', async () => {
  await writeSafetensors(path, new Map([['a', a]]));
  const first = await hash();
  expect(first.hashed).toBe(8);
  expect(await hash()).toEqual({ ...first, hashed: 0 });

  const later = new Date(statSync(path).mtimeMs + 5000);
  utimesSync(path, later, later);
  expect(await hash()).toEqual(first);
});

it('distrusts a damaged memory, and does without one that cannot be kept', async () => {
  await writeSafetensors(path, new Map([['a', a]]));
  const first = await hash();
  const [name] = readdirSync(memos);
  for (const text of ['', '{"sha256":3}', '{"sha256":"abc"}']) {
    writeFileSync(join(memos, name!), text);
    expect(await hash()).toEqual(first);
    expect(JSON.parse(readFileSync(join(memos, name!), 'utf8')).sha256).toBe(first.sha256);
  }
  rmSync(cache, { recursive: true });
  writeFileSync(cache, 'a file where the folder should be');
  expect(await hash()).toEqual(first);
  expect(await hash()).toEqual(first);
});

it('stops when asked to, and remembers nothing then', async () => {
  await writeSafetensors(path, new Map([['a', a]]));
  const source = await openSafetensors(path);
  await expect(source.contentHash({ signal: AbortSignal.abort() })).rejects.toThrow(InterruptedError);
  await source.close();
  expect((await hash()).hashed).toBe(8);
});
