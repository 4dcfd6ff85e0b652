import { execFileSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { builtFile } from '../../../src/built-file.js';
import { addonPackage, addonPath, productsPath } from '../../../src/engine/native/addon-place.js';
import { linkNative } from '../../../src/engine/native/link.js';
import { OPENBLAS_LIBRARY, openBlasPays } from '../../../src/engine/native/openblas.js';
import { InputError } from '../../../src/errors.js';
import type { ProgressEvent } from '../../../src/progress.js';
import { availableEngines } from '../../support/engines.js';
import { temporaryFolder } from '../../support/temporary-folder.js';
import { emptyTensorFlow, fakePython } from './fake-python.js';

const home = temporaryFolder();
const empty = join(home, 'empty-tensorflow');
const withOpenBlas = join(home, 'empty-openblas');
emptyTensorFlow(empty);

/** A copy of the package, with addons in it from before, that finds its dependencies in ours. */
let packageFolder: string;
let copies = 0;
symlinkSync(resolve('node_modules'), join(home, 'node_modules'));

beforeEach(() => {
  packageFolder = join(home, `copy-${copies++}`, 'node_modules', '@tensorflow', 'tfjs-node-gpu');
  for (const part of ['binding', 'dist', 'package.json'])
    cpSync(join(addonPackage(), part), join(packageFolder, part), { recursive: true });
  mkdirSync(dirname(addonPath(packageFolder)), { recursive: true });
  writeFileSync(addonPath(packageFolder), 'the addon from before');
  writeFileSync(productsPath(packageFolder), 'the products from before');
});
afterEach(() => vi.unstubAllEnvs());

async function expectRefusal(
  options: Parameters<typeof linkNative>[0],
  message: string | RegExp,
): Promise<void> {
  const attempt = linkNative({ packageFolder, ...options });
  await expect(attempt).rejects.toThrow(InputError);
  await expect(attempt).rejects.toThrow(message);
  expect(readFileSync(addonPath(packageFolder), 'utf8')).toBe('the addon from before');
  expect(readFileSync(productsPath(packageFolder), 'utf8')).toBe('the products from before');
  expect(readdirSync(packageFolder).sort()).toEqual(['binding', 'dist', 'lib', 'package.json']);
}

it('refuses two sources at once', async () => {
  await expectRefusal({ from: empty, cuda: true }, 'exclude one another');
  await expectRefusal({ pip: 'tensorflow', cuda: true }, 'exclude one another');
});

it('says what to install where there is no Python', async () => {
  vi.stubEnv('PATH', join(home, 'nothing'));
  await expectRefusal({}, 'no Python 3');
});

it('says what to install where there is no compiler', async () => {
  vi.stubEnv('PATH', join(home, 'nothing'));
  vi.stubEnv('CXX', '');
  await expectRefusal({ from: empty }, 'no C++ compiler');
});

it('uses the TensorFlow of the Python environment, and shows what the compiler said of it', async () => {
  vi.stubEnv('PATH', fakePython(home, { tensorflow: empty, pip: false }).bin);
  const compiler = join(home, 'compiler');
  writeFileSync(
    compiler,
    '#!/bin/sh\n[ "$1" = --version ] || { echo "cannot compile this" >&2; exit 1; }\n',
    {
      mode: 0o755,
    },
  );
  vi.stubEnv('CXX', compiler);
  await expectRefusal({}, `against ${empty} failed: cannot compile this`);
});

it('puts nothing in place that does not load', async () => {
  const compiler = join(home, 'careless-compiler');
  // Writes rubbish to what follows -o.
  writeFileSync(
    compiler,
    '#!/bin/sh\nwhile [ $# -gt 0 ]; do [ "$1" = -o ] && echo rubbish > "$2"; shift; done; exit 0\n',
    { mode: 0o755 },
  );
  vi.stubEnv('CXX', compiler);
  await expectRefusal({ from: empty }, /does not compute: .*tfjs_binding\.node/);
  if (!openBlasPays) return;
  const openblas = join(withOpenBlas, 'scipy_openblas32');
  for (const [part, file] of [
    ['include', 'cblas.h'],
    ['lib', OPENBLAS_LIBRARY],
  ] as const) {
    mkdirSync(join(openblas, part), { recursive: true });
    writeFileSync(join(openblas, part, file), '');
  }
  emptyTensorFlow(withOpenBlas);
  await expectRefusal(
    { from: withOpenBlas },
    /products built against .* do not compute: .*orthoscope_products\.node/,
  );
});

const tensorflow = loadedTensorFlow();
const missing = !tensorflow ? 'no TensorFlow is linked' : !hasCompiler() ? 'no C++ compiler' : undefined;

describe.skipIf(missing)(`a real build${missing ? ` (skipped: ${missing})` : ''}`, () => {
  it('replaces the addons, and what another way of linking left, by what computes', async () => {
    mkdirSync(join(packageFolder, 'deps', 'lib'), { recursive: true });
    symlinkSync(tensorflow!, join(packageFolder, 'deps', 'include'));
    const events: ProgressEvent[] = [];
    const site = join(home, 'site-packages');
    mkdirSync(site);
    symlinkSync(tensorflow!, join(site, 'tensorflow'));
    const openblas = loadedLibrary('libscipy_openblas.so');
    if (openblas) symlinkSync(dirname(openblas), join(site, 'scipy_openblas32'));
    const result = await linkNative({
      packageFolder,
      from: site,
      onProgress: (event) => events.push(event),
    });
    expect(result).toEqual({
      tensorflow: join(site, 'tensorflow'),
      openblas: openblas ? join(site, 'scipy_openblas32', 'lib') : null,
      withoutOpenblas: openblas
        ? null
        : expect.stringMatching(/no scipy_openblas32\/include\/cblas\.h|not tried/),
      version: expect.stringMatching(/^2\.\d+\.\d+/),
      gpu: expect.any(Boolean),
    });
    expect(events.at(-1)).toMatchObject({ stage: 'build', done: 2, total: 2 });
    expect(readdirSync(packageFolder).sort()).toEqual(['binding', 'dist', 'lib', 'package.json']);
    expect(existsSync(join(tensorflow!, 'libtensorflow_cc.so.2'))).toBe(true);
    const removed = pathToFileURL(builtFile('src/engine/native/removed-from-node.js')).href;
    const program = `const tf = require(${JSON.stringify(packageFolder)}); 
      const [own] = tf.backend().executeMultipleOutputs('OrthoscopeActivate', [], [tf.tensor1d([-1, 2])], 1);
      const [low, high] = tf.backend().readSync(own.dataId);
      const matrix = tf.tensor2d([[1, 2], [3, 4]]);
      const [product] = ${openblas ? "tf.backend().executeMultipleOutputs('OrthoscopeProduct', [], [matrix, matrix], 1)" : '[tf.matMul(matrix, matrix)]'};
      console.log(tf.getBackend(), tf.add(1, 2).dataSync()[0], low, high, ...tf.backend().readSync(product.dataId));`;
    expect(
      execFileSync(process.execPath, ['--import', removed, '-e', program], {
        encoding: 'utf8',
        stdio: 'pipe',
      }),
    ).toBe('tensorflow 3 0 2 7 10 15 22\n');
    // Without OpenBLAS those from before would multiply on, by a library that nobody vouches for.
    expect(existsSync(productsPath(packageFolder))).toBe(openblas !== undefined);
    if (openblas)
      expect(createRequire(import.meta.url)(productsPath(packageFolder))).toHaveProperty('multiply');
  });
});

/** Where the TensorFlow of this process lies, if the native engine is linked. */
function loadedTensorFlow(): string | undefined {
  if (availableEngines()[0] === 'wasm') return undefined;
  return loadedLibrary('libtensorflow_cc.so.2');
}

/** The folder of a library that is in this process. */
function loadedLibrary(name: string): string | undefined {
  const report = process.report.getReport() as unknown as { sharedObjects: string[] };
  const library = report.sharedObjects.find((path) => path.endsWith(name));
  return library && dirname(realpathSync(library));
}

function hasCompiler(): boolean {
  return ['g++', 'clang++'].some((compiler) => {
    try {
      execFileSync(compiler, ['--version'], { stdio: 'ignore' });
      return true;
    } catch {
      return false;
    }
  });
}
