import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { CPU_WHEEL, CUDA_WHEEL, fetchTensorFlow } from '../../../src/engine/native/fetch-tensorflow.js';
import { InputError, InterruptedError } from '../../../src/errors.js';
import { temporaryFolder } from '../../support/temporary-folder.js';
import { type FakePython, fakePython } from './fake-python.js';

const folder = temporaryFolder();
const cache = join(folder, 'cache');
const sha256 = createHash('sha256').update('content').digest('hex');
const SPEC = 'tensorflow-cpu==9.9';
const WHEEL = 'tensorflow_cpu-9.9-cp311-cp311-manylinux_2_27_x86_64.whl';

beforeEach(() => {
  rmSync(cache, { recursive: true, force: true });
  vi.stubEnv('ORTHOSCOPE_CACHE', cache);
});
afterEach(() => vi.unstubAllEnvs());

function fetchWith(behaviour: FakePython, spec = SPEC, signal?: AbortSignal): Promise<string> {
  const python = join(fakePython(folder, behaviour).bin, 'python3');
  return fetchTensorFlow({ python, spec, signal });
}

/** Nothing that could be taken for a TensorFlow, and no left-overs, is in the cache. */
function expectEmptyCache(): void {
  expect(readdirSync(join(cache, 'tensorflow'))).toEqual([]);
}

it('unpacks the wheel into the cache, records its hash and keeps no copy of it', async () => {
  const unpacked = await fetchWith({ download: [WHEEL] });
  expect(unpacked).toBe(join(cache, 'tensorflow', 'tensorflow-cpu-9.9'));
  expect(readdirSync(unpacked).sort()).toEqual(['tensorflow', 'wheels.json']);
  expect(JSON.parse(readFileSync(join(unpacked, 'wheels.json'), 'utf8'))).toEqual([{ file: WHEEL, sha256 }]);
  expect(readdirSync(join(cache, 'tensorflow'))).toEqual(['tensorflow-cpu-9.9']);
});

it('fetches a version once', async () => {
  const first = await fetchWith({ download: [WHEEL] });
  expect(await fetchWith({ download: { error: 'must not be asked' } })).toBe(first);
});

it('fetches again what names no version', async () => {
  await fetchWith({ download: [WHEEL] }, 'tensorflow-cpu');
  await expect(fetchWith({ download: { error: 'asked' } }, 'tensorflow-cpu')).rejects.toThrow('asked');
  expect(existsSync(join(cache, 'tensorflow', 'tensorflow-cpu', 'wheels.json'))).toBe(true);
});

it('asks for the tested Python’s wheel by default, and for NVIDIA’s libraries only with CUDA', async () => {
  const asked = async (spec: string) => {
    await fetchWith({ download: [WHEEL] }, spec);
    return readFileSync(join(folder, 'calls'), 'utf8');
  };
  expect(await asked(CPU_WHEEL)).toMatch(/download .*--python-version 3\.11 --no-deps/);
  expect(await asked(CUDA_WHEEL)).toMatch(/download .*--python-version 3\.11 --dest/);
  expect(await asked(SPEC)).toMatch(/download .*--only-binary=:all: --no-deps/);
});

it('unpacks TensorFlow and NVIDIA’s libraries, not what only Python needs', async () => {
  const nvidia = 'nvidia_cudnn_cu12-9-py3-none-any.whl';
  const unpacked = await fetchWith({ download: [WHEEL, nvidia, 'keras-3-py3-none-any.whl'] }, CUDA_WHEEL);
  const wheels = JSON.parse(readFileSync(join(unpacked, 'wheels.json'), 'utf8')) as { file: string }[];
  expect(wheels.map(({ file }) => file)).toEqual([nvidia, WHEEL]);
});

it('refuses a known wheel with another content', async () => {
  const known = 'tensorflow_cpu-2.21.0-cp311-cp311-manylinux_2_27_x86_64.whl';
  await expect(fetchWith({ download: [known] }, CPU_WHEEL)).rejects.toThrow(
    new RegExp(`${known}: its SHA-256 is ${sha256}, not 2b847d`),
  );
  expectEmptyCache();
});

it.each<[string, FakePython, string]>([
  ['there is no pip', { pip: false }, 'has no pip; install it'],
  [
    'the disk is full',
    { download: { error: 'OSError: [Errno 28] No space left on device' } },
    'no space left',
  ],
  ['the disk fills while unpacking', { download: [WHEEL], unzip: { error: '[Errno 28]' } }, 'no space left'],
  ['there is no network', { download: { error: "broken by 'NewConnectionError'" } }, 'use --from DIR'],
  [
    'pip sees nothing',
    { download: { error: '(from versions: none) No matching distribution' } },
    'finds no version',
  ],
  [
    'no wheel fits this Python',
    { download: { error: '(from versions: 2.1) No matching distribution found' } },
    'no wheel of it for this Python',
  ],
  ['pip fails otherwise', { download: { error: 'one\ntwo\nthree\nfour' } }, 'two | three | four'],
  ['what came is no TensorFlow', { download: ['other-1.0.whl'] }, 'no libtensorflow_cc.so.2'],
])('says so when %s, and leaves nothing behind', async (_, behaviour, message) => {
  const attempt = fetchWith(behaviour);
  await expect(attempt).rejects.toThrow(InputError);
  await expect(attempt).rejects.toThrow(message);
  expectEmptyCache();
});

it('stops when interrupted', async () => {
  await expect(fetchWith({ download: [WHEEL] }, SPEC, AbortSignal.abort())).rejects.toThrow(InterruptedError);
  expectEmptyCache();
});

it('says so when the cache cannot be written', async () => {
  const file = join(folder, 'file');
  writeFileSync(file, '');
  vi.stubEnv('ORTHOSCOPE_CACHE', file);
  await expect(fetchWith({ download: [WHEEL] })).rejects.toThrow(
    `${join(file, 'tensorflow')}: a part of this path`,
  );
});
