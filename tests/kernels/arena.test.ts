import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { builtFile } from '../../src/built-file.js';
import { instantiate } from '../../src/kernels/instance.js';
import type { MemoryExports } from '../../src/kernels/memory.js';

const module = await WebAssembly.compile(readFileSync(builtFile('wasm/kernels-simd.wasm')));

/** A fresh stack of its own; pages that nobody touches cost no memory. */
function arena(): MemoryExports {
  const room = { memory: new WebAssembly.Memory({ initial: 1 }), base: 64, limit: 0 };
  const env = { ...room, lends: 0, lentProduct: () => {} };
  return new WebAssembly.Instance(module, { env }).exports as unknown as MemoryExports;
}
it('goes on with small blocks after one that took nearly all of 4 GiB', () => {
  const { memory, mark, release, allocate } = arena();
  const height = mark();
  allocate(3.5 * 2 ** 30);
  const grown = memory.buffer.byteLength;
  expect(grown).toBeGreaterThan(3.5 * 2 ** 30);
  release(height);
  const [first, second] = [allocate(100) >>> 0, allocate(100) >>> 0];
  expect(first).toBe(height >>> 0);
  expect(second).toBe(first + 128);
  expect(memory.buffer.byteLength).toBe(grown);
  expect(allocate(3 * 2 ** 30) >>> 0).toBe(second + 128);
  expect(memory.buffer.byteLength).toBe(grown);
});

it('traps where memory is used up, and stays as it was', () => {
  const { memory, mark, allocate } = arena();
  allocate(2 ** 31);
  const [height, bytes] = [mark(), memory.buffer.byteLength];
  for (const size of [2 ** 31, 2 ** 32 - 1]) expect(() => allocate(size)).toThrow(WebAssembly.RuntimeError);
  expect(mark()).toBe(height);
  expect(memory.buffer.byteLength).toBe(bytes);
  expect(allocate(64) >>> 0).toBe(height >>> 0);
});

it('stays within a block of somebody else’s memory', () => {
  const pages = 256;
  const memory = new WebAssembly.Memory({ initial: pages });
  const whole = new Uint8Array(memory.buffer).fill(7);
  const [base, limit] = [2 ** 20 + 16, 2 ** 20 + 2 ** 23];
  const { memory: kernels, products } = instantiate(module, { room: { memory, base, limit } });
  const [m, n, k] = [5, 40, 50];
  const [a, b] = [2 ** 14, 2 ** 15];
  const c = 2 ** 16;
  const shape = { count: 1, transposeA: 0, transposeB: 0, m, n, k, aStep: 0, bStep: 0, bias: 0 };
  products({ ...shape, a, b, c });
  expect(() => kernels.allocate(limit - base)).toThrow(WebAssembly.RuntimeError);
  expect(kernels.allocate(1000)).toBeGreaterThan(base);
  const results = 4 * m * n;
  expect(memory.buffer.byteLength).toBe(pages * 2 ** 16);
  expect(whole.subarray(c, c + results).every((byte) => byte === 7)).toBe(false);
  whole.fill(7, c, c + results);
  expect(whole.subarray(base, limit).every((byte) => byte === 7)).toBe(false);
  whole.fill(7, base, limit);
  expect(whole.every((byte) => byte === 7)).toBe(true);
});
