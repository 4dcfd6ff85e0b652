/** For tests of single operations: their results as plain arrays, and gradients from a definition in float64. */
import * as tf from '@tensorflow/tfjs-core';
import { expect } from 'vitest';
import { Random } from '../../src/random.js';

/** Random numbers as the float32 values that an engine gets. */
export function normals(count: number, seed: number): number[] {
  const random = new Random(seed);
  return Array.from({ length: count }, () => Math.fround(random.normal()));
}

/**
 * Runs an operation, reads its results and frees them.
 * @throws AssertionError if it leaves any other tensor behind
 */
export function resultsOf<K extends string>(
  operation: () => Record<K, tf.Tensor | null>,
): Record<K, number[] | null> {
  const before = tf.memory().numTensors;
  const results = Object.entries<tf.Tensor | null>(operation());
  const tensors = results.flatMap(([, tensor]) => tensor ?? []);
  expect(tf.memory().numTensors - before, 'tensors left behind').toBe(tensors.length);
  const read = results.map(([name, tensor]) => [name, tensor && [...tensor.dataSync()]]);
  tf.dispose(tensors);
  return Object.fromEntries(read);
}

/** The gradient of a plain function by central differences; in float64 they are good to about 1e-9. */
export function slopes(of: (x: number[]) => number, at: readonly number[]): number[] {
  const step = 1e-5;
  return at.map((_, i) => {
    const moved = (by: number) => of(at.map((value, j) => (i === j ? value + by : value)));
    return (moved(step) - moved(-step)) / (2 * step);
  });
}

export function dot(a: readonly number[], b: readonly number[]): number {
  return a.reduce((sum, value, i) => sum + value * b[i]!, 0);
}

/** Float32 arithmetic against float64: equal to a few parts in a hundred thousand of the largest value, or of 1. */
export function expectClose(found: readonly number[] | null, wanted: readonly number[]): void {
  expect(found).toHaveLength(wanted.length);
  // What cancels leaves the rounding of numbers near 1.
  const largest = Math.max(1, ...wanted.map(Math.abs));
  const off = wanted.map((value, i) => Math.abs(value - found![i]!));
  // NaN is not below any bound.
  expect(
    off.every((error) => error < 3e-5 * largest),
    `${found}\nis not ${wanted}`,
  ).toBe(true);
}

/** Rows of a matrix in row-major order. */
export function rowsIn(values: readonly number[], columns: number): number[][] {
  return Array.from({ length: values.length / columns }, (_, row) =>
    values.slice(row * columns, (row + 1) * columns),
  );
}
