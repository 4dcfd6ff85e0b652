/** Compiles addons against a TensorFlow and an OpenBLAS, proves each in a process of its own, then puts them in place. */
import { existsSync, realpathSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { builtFile } from '../../built-file.js';
import { InputError } from '../../errors.js';
import { fileError } from '../../formats/file-error.js';
import { packageFile } from '../../package-file.js';
import type { LongCall } from '../../progress.js';
import type { LinkedTensorFlow } from './addon.js';
import { addonPath, productsPath } from './addon-place.js';
import { LIBRARIES } from './find-tensorflow.js';
import { OPENBLAS_LIBRARY, type OpenBlas } from './openblas.js';
import { lastLines, runCommand } from './run-command.js';

/** Loads the package it is given and multiplies; the last line printed is a LinkedTensorFlow in JSON. */
const PROOF = `
const tf = require(process.argv[1]);
const product = tf.matMul(tf.ones([64, 64]), tf.ones([64, 64])).dataSync();
if (!product.every((x) => x === 64)) throw new Error('a matrix product came out wrong');
const { binding, isUsingGpuDevice } = tf.backend();
console.log(JSON.stringify({ version: binding.TF_Version, gpu: isUsingGpuDevice }));
`;

/** Loads the addon it is given and multiplies: (1 2; 3 4) by itself. */
const PROOF_OF_PRODUCTS = `
const memory = new Float64Array([1, 2, 3, 4, 0, 0, 0, 0]);
require(process.argv[1]).multiply(memory.buffer, 0, 2, 2, 2, 0, 2, 1, 0, 2, 1, 32, 2);
if (memory.slice(4).join() !== '7,10,15,22') throw new Error('a matrix product came out wrong');
`;

/** What an addon is linked to. */
export interface Linked {
  /** The folder with TensorFlow's libraries and headers. */
  tensorflow: string;
  openblas?: OpenBlas | undefined;
}

/**
 * The addon of tfjs-node-gpu, and that of OpenBLAS's products, are built and proved in a copy of the package and take
 * their places by a rename each: until then, and if anything fails, what was linked before stays in use. They refer to
 * TensorFlow and OpenBLAS where those lie; nothing is copied.
 * @param packageFolder of tfjs-node-gpu
 * @throws InputError without a compiler or Node's headers, if the build fails, or if the result does not compute
 */
export async function buildAddon(
  packageFolder: string,
  linked: Linked,
  { onProgress, signal }: LongCall = {},
): Promise<LinkedTensorFlow> {
  let copy: string | undefined;
  try {
    copy = await mkdtemp(join(packageFolder, '.build-'));
    await cp(join(packageFolder, 'dist'), join(copy, 'dist'), { recursive: true });
    await cp(join(packageFolder, 'package.json'), join(copy, 'package.json'));
    onProgress?.({ stage: 'build', done: 0, total: 2, note: 'compiling' });
    await compile(join(packageFolder, 'binding'), linked, copy, signal);
    onProgress?.({ stage: 'build', done: 1, total: 2, note: 'proving' });
    const backend = await prove(copy, linked, signal);
    await mkdir(dirname(addonPath(packageFolder)), { recursive: true });
    if (linked.openblas) await rename(productsPath(copy), productsPath(packageFolder));
    else await rm(productsPath(packageFolder), { force: true });
    await rename(addonPath(copy), addonPath(packageFolder));
    // What the package's own installer, or node-gyp, would have left: no longer read.
    for (const stale of ['deps', 'build-tmp-napi-v8'])
      await rm(join(packageFolder, stale), { recursive: true, force: true });
    onProgress?.({ stage: 'build', done: 2, total: 2 });
    return backend;
  } catch (error) {
    throw fileError(error, packageFolder);
  } finally {
    if (copy) await rm(copy, { recursive: true, force: true });
  }
}

/** Runs the compiler. @throws InputError with what it said, if it fails */
type Run = (args: string[]) => Promise<void>;

/** What the package's binding.gyp says, in one call: no make, no Python, no headers from the network. */
async function compile(
  sources: string,
  { tensorflow, openblas }: Linked,
  copy: string,
  signal?: AbortSignal,
): Promise<void> {
  const compiler = await findCompiler();
  const addon = addonPath(copy);
  await mkdir(dirname(addon), { recursive: true });
  const run: Run = async (args) => {
    const common = ['-std=gnu++17', '-fPIC', '-w', '-I', join(tensorflow, 'include')];
    const result = await runCommand(compiler, [...common, ...args], { signal });
    if (result.code !== 0)
      throw new InputError(`building the addon against ${tensorflow} failed: ${lastLines(result)}`);
  };
  const args = ['-O2', '-shared', '-DNAPI_VERSION=8', '-DNODE_GYP_MODULE_NAME=tfjs_binding'];
  args.push('-I', nodeHeaders(), ...(await onePassObjects({ tensorflow, openblas }, dirname(addon), run)));
  args.push(join(sources, 'tfjs_backend.cc'), join(sources, 'tfjs_binding.cc'), '-o', addon);
  args.push('-L', tensorflow, ...LIBRARIES.map((library) => `-l:${library}`));
  if (openblas) args.push('-L', openblas.library, `-l:${OPENBLAS_LIBRARY}`);
  args.push(...foundAtRun(tensorflow), ...(openblas ? foundAtRun(openblas.library) : []));
  await run(args);
  if (openblas) await compileProducts(openblas, productsPath(copy), run);
}

/** Where the loader looks for libraries that lie in this folder. */
function foundAtRun(folder: string): string[] {
  return ['-Xlinker', '-rpath', '-Xlinker', folder];
}

async function compileProducts({ include, library }: OpenBlas, addon: string, run: Run): Promise<void> {
  const source = await ownSource('products.cc', dirname(addon));
  await run([
    ...['-O2', '-shared', '-DNAPI_VERSION=8', '-I', nodeHeaders(), '-I', include, source, '-o', addon],
    ...['-L', library, `-l:${OPENBLAS_LIBRARY}`, ...foundAtRun(library)],
  ]);
}

/** Copies a source of this program: Yarn may keep it in an archive, which Node reads and a compiler does not. */
async function ownSource(name: string, folder: string): Promise<string> {
  const copy = join(folder, name);
  await writeFile(copy, await readFile(packageFile(`src/engine/native/${name}`)));
  return copy;
}

/** Compiler flags by instruction set: the addon holds the loops for each and takes the best that its machine has. */
const INSTRUCTION_SETS: Record<string, string[]> = {
  kBaseline: [],
  ...(process.arch === 'x64' && {
    kAvx2: ['-mavx2', '-mfma'],
    kAvx512: ['-mavx512f', '-mavx512bw', '-mavx512dq', '-mavx512vl', '-mfma'],
  }),
};

/** What AMX's tiles take (`amx.cc`); compilers from before 2021 do not know some of them. */
const MATRIX_UNIT = [
  ...['-mavx512f', '-mavx512bw', '-mavx512dq', '-mavx512vl', '-mavx512bf16', '-mfma'],
  ...['-mamx-tile', '-mamx-bf16'],
];

/** Compiles the operations of our own (`fused.cc`); none where TensorFlow's headers do not say how to add some. */
async function onePassObjects({ tensorflow, openblas }: Linked, folder: string, run: Run): Promise<string[]> {
  if (!existsSync(join(tensorflow, 'include', 'tensorflow', 'c', 'kernels.h'))) return [];
  const source = (name: string) => join(folder, name);
  for (const name of ['fused.h', 'fused.cc', 'fused-loops.cc', 'amx.h', 'amx.cc', 'wide.h', 'wide.cc'])
    await ownSource(name, folder);
  const tiles = join(folder, 'amx.o');
  const tiled = openblas !== undefined && process.arch === 'x64' && (await knowsMatrixUnit(folder, run));
  if (tiled) await run(['-O3', ...MATRIX_UNIT, '-c', source('amx.cc'), '-o', tiles]);
  const wide = join(folder, 'wide.o');
  const widened = openblas !== undefined && process.arch === 'x64';
  if (widened) await run(['-O3', ...INSTRUCTION_SETS.kAvx512!, '-c', source('wide.cc'), '-o', wide]);
  const operations = join(folder, 'fused.o');
  await run([
    '-O2',
    ...(process.arch === 'x64' ? ['-DORTHOSCOPE_X86'] : []),
    ...(openblas ? ['-DORTHOSCOPE_OPENBLAS', '-I', openblas.include] : []),
    ...(tiled ? ['-DORTHOSCOPE_AMX'] : []),
    '-c',
    source('fused.cc'),
    '-o',
    operations,
  ]);
  const loops = Object.entries(INSTRUCTION_SETS).map(async ([name, flags]) => {
    const object = join(folder, `${name}.o`);
    const plain = ['-O3', '-fno-math-errno', '-fno-trapping-math', `-DLOOPS=${name}`];
    await run([...plain, ...flags, '-c', source('fused-loops.cc'), '-o', object]);
    return object;
  });
  return [operations, ...(tiled ? [tiles] : []), ...(widened ? [wide] : []), ...(await Promise.all(loops))];
}

async function knowsMatrixUnit(folder: string, run: Run): Promise<boolean> {
  const empty = join(folder, 'empty.cc');
  await writeFile(empty, '');
  return run([...MATRIX_UNIT, '-c', empty, '-o', join(folder, 'empty.o')]).then(
    () => true,
    () => false,
  );
}

async function findCompiler(): Promise<string> {
  for (const compiler of [process.env.CXX, 'g++', 'clang++'])
    if (compiler && (await runCommand(compiler, ['--version'])).code === 0) return compiler;
  throw new InputError('no C++ compiler (g++ or clang++); install one (Debian: apt install g++) or set CXX');
}

/** Node's own, which the binary archives, most images and most packages bring along. */
function nodeHeaders(): string {
  const folders = [
    join(dirname(realpathSync(process.execPath)), '..', 'include', 'node'),
    join(process.env.npm_config_nodedir ?? '', 'include', 'node'),
    '/usr/include/node',
  ];
  const folder = folders.find((candidate) => existsSync(join(candidate, 'node_api.h')));
  if (folder) return folder;
  throw new InputError(
    `no node_api.h in ${folders[0]}; install Node's headers (Debian: apt install libnode-dev) or set npm_config_nodedir`,
  );
}

async function prove(
  packageFolder: string,
  { tensorflow, openblas }: Linked,
  signal?: AbortSignal,
): Promise<LinkedTensorFlow> {
  if (openblas) {
    const failing = `the products built against ${openblas.library} do not compute`;
    await runProof(['-e', PROOF_OF_PRODUCTS, productsPath(packageFolder)], failing, signal);
  }
  const removed = pathToFileURL(builtFile('src/engine/native/removed-from-node.js')).href;
  const args = ['--import', removed, '-e', PROOF, join(packageFolder, 'dist', 'index.js')];
  const printed = await runProof(args, `the addon built against ${tensorflow} does not compute`, signal);
  return JSON.parse(printed.trim().split('\n').at(-1)!) as LinkedTensorFlow;
}

/** What a program prints in a Node of its own. @throws InputError that says what is failing, and its error, if it has one */
async function runProof(args: string[], failing: string, signal?: AbortSignal): Promise<string> {
  const result = await runCommand(process.execPath, args, { signal, env: { TF_CPP_MIN_LOG_LEVEL: '2' } });
  if (result.code === 0) return result.stdout;
  throw new InputError(`${failing}: ${/Error: (.*)/.exec(result.stderr)?.[1] ?? lastLines(result)}`);
}
