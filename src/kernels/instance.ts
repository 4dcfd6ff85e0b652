/** The WebAssembly of the kernels, with arguments by name: the only importer of WebAssembly. */
import { readFile } from 'node:fs/promises';
import { setFlagsFromString } from 'node:v8';
import { builtFile } from '../built-file.js';
import { InputError } from '../errors.js';
import { KernelMemory, type MemoryExports } from './memory.js';

/** `relaxed` fuses multiply and add into one rounding; `simd` runs wherever WebAssembly has SIMD. */
export type KernelVariant = 'relaxed' | 'simd';

/**
 * Parameters of each function that assembly/index.ts exports, in the order of its signature there; a test holds the two
 * to each other. With them arguments are given by name: two of a dozen addresses that changed places would go unnoticed.
 */
export const PARAMETERS = {
  svd: ['rows', 'cols', 'a', 'u', 's', 'vt'],
  svdOfProduct: ['rows', 'inner', 'cols', 'a', 'b', 'u', 's', 'vt'],
  gemmF32: ['transposeA', 'transposeB', 'm', 'n', 'k', 'a', 'b', 'c'],
  gemmF64: ['transposeA', 'transposeB', 'm', 'n', 'k', 'a', 'b', 'c'],
  multiply: ['m', 'n', 'k', 'a', 'aRow', 'aCol', 'b', 'bRow', 'bCol', 'c', 'cRow'],
  products: [
    ...(['count', 'transposeA', 'transposeB', 'm', 'n', 'k'] as const),
    ...(['a', 'aStep', 'b', 'bStep', 'bias', 'c'] as const),
  ],
  productOfActivated: ['kind', 'transposeB', 'm', 'n', 'k', 'a', 'dy', 'b', 'bias', 'c'],
  copyRowsF32: ['rows', 'cols', 'from', 'fromRow', 'to', 'toRow'],
  activate: ['kind', 'n', 'x', 'y'],
  activatePull: ['kind', 'n', 'dy', 'x', 'dx'],
  gate: ['kind', 'n', 'gates', 'up', 'y'],
  gatePull: ['kind', 'n', 'dy', 'gates', 'up', 'dGates', 'dUp'],
  normalise: ['rows', 'width', 'centred', 'epsilon', 'x', 'y', 'rates'],
  normalisePull: ['rows', 'width', 'centred', 'dy', 'y', 'rates', 'dx'],
  divergence: ['rows', 'width', 'factor', 'logits', 'teacher', 'kl', 'd'],
  softmax: ['rows', 'width', 'period', 'scale', 'scores', 'bias', 'weights'],
  softmaxPull: ['rows', 'width', 'scale', 'dWeights', 'weights', 'dScores'],
  rotatePositions: ['rows', 'width', 'dims', 'positions', 'repeats', 'sign', 'x', 'cos', 'sin', 'y'],
  mix: ['rows', 'width', 'step', 'own', 'base', 'mask', 'mixed', 'difference'],
  mixPull: ['rows', 'width', 'gradient', 'difference', 'mask', 'dOwn', 'dMask'],
  attend: [
    ...(['batch', 'heads', 'shared', 'queries', 'keys', 'width', 'depth', 'scale', 'biases'] as const),
    ...(['q', 'qApart', 'k', 'kApart', 'v', 'vApart', 'bias', 'weights', 'z'] as const),
  ],
  attendPull: [
    ...(['batch', 'heads', 'shared', 'queries', 'keys', 'width', 'depth', 'scale', 'dz'] as const),
    ...(['q', 'qApart', 'k', 'kApart', 'v', 'vApart', 'weights', 'dq', 'dk', 'dv'] as const),
  ],
  read: ['rows', 'width', 'cols', 'x', 'xStride', 'matrix', 'bias', 'out'],
  accumulate: [
    ...(['rows', 'cols', 'x', 'units', 'states', 'stateBytes', 'examples', 'context'] as const),
    ...(['descriptions', 'tokens', 'keys', 'logits'] as const),
  ],
  strongestKeys: [
    ...(['from', 'to', 'batch', 'cols', 'factors', 'passages', 'best', 'bestKey', 'x', 'scale'] as const),
    ...(['rates', 'rateStride', 'width', 'queries', 'queryStride', 'keyRows', 'keyStride'] as const),
    ...(['keys', 'logits', 'memo', 'seen'] as const),
  ],
  peakF32: ['rounds'],
  peakF64: ['rounds'],
} as const;

type Name = keyof typeof PARAMETERS;

/** Kernels by name. Arrays are byte addresses in `memory`; what each does stands in assembly/. */
export type WasmCalls = {
  [Each in Name]: (args: Record<(typeof PARAMETERS)[Each][number], number>) => number;
} & { memory: KernelMemory };

export interface KernelBuild {
  variant: KernelVariant;
  module: WebAssembly.Module;
}

/**
 * Compiles the kernels. Without a wish it takes the relaxed build where this machine's JavaScript engine can run it.
 * @throws InputError if the build is missing, or the wished variant cannot run here
 */
export async function compileKernels(variant?: KernelVariant): Promise<KernelBuild> {
  const relaxed = variant === 'simd' ? undefined : await readBuild('relaxed');
  if (relaxed && enableRelaxedSimd(relaxed))
    return { variant: 'relaxed', module: await WebAssembly.compile(relaxed) };
  if (variant === 'relaxed')
    throw new InputError('relaxed SIMD is not available in this Node; use the plain SIMD kernels');
  return { variant: 'simd', module: await WebAssembly.compile(await readBuild('simd')) };
}

/** Memory that kernels have for themselves: a whole one, or a block of somebody else's, by byte. */
export interface KernelRoom {
  memory: WebAssembly.Memory;
  base: number;
  /** Where the block ends; 0: nowhere, the memory grows. */
  limit: number;
}

/**
 * f64 products by a library of this machine, on the kernels' memory: C ← A·B, C + A·B or C − A·B for mode 0, 1 or 2, A
 * [m, k], B [k, n]; strides in elements, of A and of B one is 1 and the other as long as a run or longer; arrays by byte
 * address, signed: those from 2 GiB on are negative.
 */
export type HostProduct = (memory: ArrayBuffer, ...args: HostProductArguments) => void;

export type HostProductArguments = [
  ...[mode: number, m: number, n: number, k: number],
  ...[a: number, aRow: number, aCol: number, b: number, bRow: number, bCol: number, c: number, cRow: number],
];

export interface InstanceOptions {
  /** A memory of its own unless given. */
  room?: KernelRoom;
  /** Without it all products are WebAssembly's. */
  hostProduct?: HostProduct | undefined;
}

/** An instance. Address 0 stands for an array that is not there. */
export function instantiate(
  module: WebAssembly.Module,
  { room = ownRoom(), hostProduct }: InstanceOptions = {},
): WasmCalls {
  const lentProduct = (...args: HostProductArguments) => hostProduct?.(room.memory.buffer, ...args);
  const env = { ...room, lends: Number(hostProduct !== undefined), lentProduct };
  const { exports } = new WebAssembly.Instance(module, { env });
  const calls = Object.entries(PARAMETERS).map(([name, parameters]) => {
    const call = exports[name] as (...args: number[]) => number;
    return [name, (args: Record<string, number>) => call(...parameters.map((each) => args[each]!))];
  });
  return {
    ...(Object.fromEntries(calls) as Omit<WasmCalls, 'memory'>),
    memory: new KernelMemory(exports as unknown as MemoryExports),
  };
}

function ownRoom(): KernelRoom {
  return { memory: new WebAssembly.Memory({ initial: 1 }), base: 64, limit: 0 };
}

async function readBuild(variant: KernelVariant): Promise<Uint8Array<ArrayBuffer>> {
  const path = builtFile(`wasm/kernels-${variant}.wasm`);
  try {
    return new Uint8Array(await readFile(path));
  } catch {
    throw new InputError(`${path}: the kernels are not built; run "npm run build:wasm"`);
  }
}

/** Node 20 has relaxed SIMD behind a flag of its engine; later ones have it without. */
function enableRelaxedSimd(build: Uint8Array<ArrayBuffer>): boolean {
  if (WebAssembly.validate(build)) return true;
  if (process.versions.node.startsWith('20.')) setFlagsFromString('--experimental-wasm-relaxed-simd');
  return WebAssembly.validate(build);
}
