/** Each activation and its slope against their definitions. */
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { activate } from '../../../src/engine/ops/activation.js';
import { describeOnEngines } from '../../support/engines.js';
import { expectClose, normals, resultsOf, slopes } from '../../support/operations.js';
import { activation } from '../../support/reference-forward.js';

describeOnEngines('activation', () => {
  it.each(['gelu_new', 'gelu', 'relu', 'silu'] as const)('%s', (kind) => {
    // From where it is flat to where it is a line.
    const x = normals(60, 1).map((value) => Math.fround(2.5 * value));
    const input = tf.tensor2d(x, [12, 5]);
    const { y, slope } = resultsOf(() => ({ ...activate(input, kind, true) }));
    expectClose(
      y,
      x.map((value) => activation(value, kind)),
    );
    expectClose(
      slope,
      x.map((value) => slopes(([one]) => activation(one!, kind), [value])[0]!),
    );
    const alone = resultsOf(() => ({ ...activate(input, kind, false) }));
    expect(alone).toEqual({ y, slope: null });
    input.dispose();
  });
});
