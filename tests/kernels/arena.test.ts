import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { builtFile } from '../../src/built-file.js';

interface Arena {
  memory: WebAssembly.Memory;
  mark(): number;
  release(height: number): void;
  allocate(bytes: number): number;
}

const module = await WebAssembly.compile(readFileSync(builtFile('wasm/kernels-simd.wasm')));

/** A fresh stack of its own; pages that nobody touches cost no memory. */
function arena(): Arena {
  return new WebAssembly.Instance(module, { env: { abort: () => {} } }).exports as unknown as Arena;
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
