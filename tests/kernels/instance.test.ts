/** The kernels that have no typed arrays in front of them, and the names by which all are called. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { compileKernels, instantiate, PARAMETERS } from '../../src/kernels/instance.js';
import { referenceProduct } from '../../src/kernels/reference/reference-products.js';
import { packageFile } from '../../src/package-file.js';
import { gaussian } from '../support/matrices.js';

/** Signatures of exported functions as assembly/ has them: name → parameters. */
function signatures(): Map<string, string[]> {
  const folder = packageFile('assembly');
  const found = new Map<string, string[]>();
  for (const file of readdirSync(folder))
    for (const [, name, parameters] of readFileSync(join(folder, file), 'utf8').matchAll(
      /^export function (\w+)\(([^)]*)\)/gm,
    ))
      found.set(
        name!,
        [...parameters!.matchAll(/(\w+): \w+/g)].map(([, parameter]) => parameter!),
      );
  return found;
}

it.each(Object.entries(PARAMETERS))('%s has its parameters in this order', (name, parameters) => {
  expect(signatures().get(name)).toEqual(parameters);
});

const { variant: best } = await compileKernels();

describe.each(best === 'relaxed' ? (['simd', 'relaxed'] as const) : (['simd'] as const))(
  'read, %s',
  (variant) => {
    it.each([
      ['with a bias', true],
      ['without one', false],
    ])('multiplies rows that lie apart, %s', async (_, biased) => {
      const { memory, read } = instantiate((await compileKernels(variant)).module);
      const [rows, width, cols, from, stride] = [70, 33, 20, 5, 41];
      const [source, matrix, bias] = [
        gaussian(rows, stride, 1),
        gaussian(width, cols, 2),
        gaussian(1, cols, 3),
      ];
      const out = memory.allocate(4 * rows * cols);
      const x = memory.copyIn(source) + 4 * from;
      const given = { matrix: memory.copyIn(matrix), bias: biased ? memory.copyIn(bias) : 0 };
      read({ rows, width, cols, x, xStride: stride, ...given, out });
      const found = memory.view(Float32Array, out, rows * cols);
      const kept = Float32Array.from({ length: rows * width }, (_, i) => {
        return source[Math.floor(i / width) * stride + from + (i % width)]!;
      });
      const exact = referenceProduct(kept, matrix, { rows, inner: width, cols });
      for (let i = 0; i < found.length; i++)
        expect(Math.abs(found[i]! - exact[i]! - (biased ? bias[i % cols]! : 0))).toBeLessThan(1e-5 * width);
    });
  },
);
