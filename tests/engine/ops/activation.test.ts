/** Each activation and its pullback against their definitions, alone and as the gate of another value. */
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import {
  activate,
  activateGate,
  activateGatePull,
  activatePull,
} from '../../../src/engine/ops/activation.js';
import { describeOnEngines } from '../../support/engines.js';
import { expectClose, normals, resultsOf, slopes } from '../../support/operations.js';
import { activation } from '../../support/reference-forward.js';

describeOnEngines('activation', () => {
  describe.each(['gelu_new', 'gelu', 'relu', 'silu'] as const)('%s', (kind) => {
    // From where it is flat to where it is a line; more than one thread's share of one pass.
    const [rows, width] = [601, 37];
    // No further out: the reference's series has too few digits left for differences there.
    const x = normals(rows * width, 1).map((value) =>
      Math.fround(Math.max(-4.5, Math.min(4.5, 2.5 * value))),
    );
    const other = normals(rows * width, 2).map(Math.fround);
    const dy = normals(rows * width, 3).map(Math.fround);
    const value = x.map((one) => activation(one, kind));
    const slope = x.map((one) => slopes(([at]) => activation(at!, kind), [one])[0]!);
    const tensors = () =>
      [x, other, dy].map((values) => tf.tensor2d(values, [rows, width])) as [
        tf.Tensor2D,
        tf.Tensor2D,
        tf.Tensor2D,
      ];

    it('alone', () => {
      const [input, other, gradient] = tensors();
      other.dispose();
      const { y, dx } = resultsOf(() =>
        tf.tidy(() => {
          const { y, kept } = activate(input, kind, true);
          return { y, dx: activatePull(gradient, kept!, kind) };
        }),
      );
      expectClose(y, value);
      expectClose(
        dx,
        slope.map((one, at) => one * dy[at]!),
      );
      const unpulled = resultsOf(() => ({ ...activate(input, kind, false) }));
      expect(unpulled).toEqual({ y, kept: null });
      tf.dispose([input, gradient]);
    });

    it('on a tape', () => {
      const [input, other, gradient] = tensors();
      const derivative = tf.grad((given) => activate(given as tf.Tensor2D, kind, false).y);
      const { taped } = resultsOf(() => ({ taped: derivative(input, gradient) }));
      expectClose(
        taped,
        slope.map((one, at) => one * dy[at]!),
      );
      tf.dispose([input, other, gradient]);
    });

    it('of a gate', () => {
      const [input, up, gradient] = tensors();
      const { y, dGate, dUp } = resultsOf(() =>
        tf.tidy(() => {
          const { y, kept } = activateGate(input, up, kind, true);
          return { y, ...activateGatePull(gradient, kept!, kind) };
        }),
      );
      expectClose(
        y,
        value.map((one, at) => one * other[at]!),
      );
      expectClose(
        dGate,
        slope.map((one, at) => one * dy[at]! * other[at]!),
      );
      expectClose(
        dUp,
        value.map((one, at) => one * dy[at]!),
      );
      const unpulled = resultsOf(() => {
        const { y, kept } = activateGate(input, up, kind, false);
        expect(kept).toBeNull();
        return { y };
      });
      expect(unpulled).toEqual({ y });
      tf.dispose([input, up, gradient]);
    });
  });
});
