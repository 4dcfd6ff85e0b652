/** Masks on coefficients against c = ỹ + m·(y − ỹ), and their gradients. */
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { it } from 'vitest';
import { maskHook } from '../../src/forward/mask-hooks.js';
import { describeOnEngines } from '../support/engines.js';
import { dot, expectClose, normals, resultsOf, slopes } from '../support/operations.js';

describeOnEngines('a mask', () => {
  it('mixes coefficients with what replaces them', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 1, max: 11 }),
        fc.constantFrom('each', 'one', 'zero'),
        fc.nat(1000),
        (rows, width, replaced, seed) => {
          const [own, mask, gradient] = [rows * width, width, rows * width].map((count, at) =>
            normals(count, seed + at),
          ) as [number[], number[], number[]];
          const base = replaced === 'zero' ? [] : normals((replaced === 'each' ? rows : 1) * width, seed + 3);
          const definition = (ofOwn: number[], ofMask: number[]) =>
            ofOwn.map((y, i) => {
              const from = base[i % base.length] ?? 0;
              return from + ofMask[i % width]! * (y - from);
            });
          const given = {
            own: tf.tensor2d(own, [rows, width]),
            mask: tf.tensor1d(mask),
            gradient: tf.tensor2d(gradient, [rows, width]),
            ...(replaced !== 'zero' && { base: tf.tensor2d(base, [base.length / width, width]) }),
          };
          const { mixed, dOwn, dMask } = resultsOf(() =>
            tf.tidy(() => {
              let dMask: tf.Tensor1D | null = null;
              const hook = maskHook(given.mask, given.base, (slope) => {
                dMask = slope;
              });
              // The hook keeps what it needs of it, and frees that in the end.
              const mixed = hook.replace!(tf.clone(given.own));
              return { mixed, dOwn: hook.pull!(given.gradient), dMask: dMask! as tf.Tensor1D };
            }),
          );
          expectClose(mixed, definition(own, mask));
          expectClose(
            dOwn,
            slopes((moved) => dot(gradient, definition(moved, mask)), own),
          );
          expectClose(
            dMask,
            slopes((moved) => dot(gradient, definition(own, moved)), mask),
          );
          tf.dispose(given);
        },
      ),
      { numRuns: 40 },
    );
  });
});
