import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, it, vi } from 'vitest';
import { findPython, tensorflowIn, tensorflowOfPython } from '../../../src/engine/native/find-tensorflow.js';
import { InputError } from '../../../src/errors.js';
import { temporaryFolder } from '../../support/temporary-folder.js';
import { emptyTensorFlow, fakePython } from './fake-python.js';

const home = temporaryFolder();
const site = join(home, 'site-packages');
emptyTensorFlow(join(site, 'tensorflow'));
afterEach(() => vi.unstubAllEnvs());

it('finds TensorFlow in its own folder and in the one above', () => {
  expect(tensorflowIn(join(site, 'tensorflow'))).toBe(join(site, 'tensorflow'));
  expect(tensorflowIn(site)).toBe(join(site, 'tensorflow'));
});

it('names what an incomplete TensorFlow lacks', () => {
  const half = join(home, 'half');
  emptyTensorFlow(half);
  rmSync(join(half, 'include'), { recursive: true });
  expect(() => tensorflowIn(half)).toThrow(`${half}: no include/tensorflow/c/c_api.h`);
  rmSync(join(half, 'libtensorflow_cc.so.2'));
  expect(() => tensorflowIn(half)).toThrow(`${half}: no libtensorflow_cc.so.2`);
});

it.each([home, join(home, 'nowhere')])('says of %s what to point at', (folder) => {
  expect(() => tensorflowIn(folder)).toThrow(InputError);
  expect(() => tensorflowIn(folder)).toThrow('point at an unpacked TensorFlow wheel or a site-packages');
});

it('asks Python where TensorFlow is, and takes it only if it can be linked to', async () => {
  const ask = (tensorflow?: string) =>
    tensorflowOfPython(join(fakePython(join(home, 'asked'), { tensorflow }).bin, 'python3'));
  expect(await ask(join(site, 'tensorflow'))).toBe(join(site, 'tensorflow'));
  expect(await ask(home)).toBeUndefined();
  expect(await ask(undefined)).toBeUndefined();
  expect(await tensorflowOfPython(join(home, 'no-such-python'))).toBeUndefined();
});

it('takes python3, else a python that is a Python 3, else none', async () => {
  const bin = join(home, 'path');
  mkdirSync(bin);
  vi.stubEnv('PATH', bin);
  expect(await findPython()).toBeUndefined();
  writeFileSync(join(bin, 'python'), '#!/bin/sh\nexit 1\n', { mode: 0o755 });
  expect(await findPython()).toBeUndefined();
  writeFileSync(join(bin, 'python'), '#!/bin/sh\nexit 0\n', { mode: 0o755 });
  expect(await findPython()).toBe('python');
  writeFileSync(join(bin, 'python3'), '#!/bin/sh\nexit 0\n', { mode: 0o755 });
  expect(await findPython()).toBe('python3');
});
