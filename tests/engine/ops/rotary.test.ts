/** Rotary positions against their definition; the pullback is the transpose. */
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { mergeHeads, splitHeads } from '../../../src/engine/ops/attention.js';
import { hasOnePass } from '../../../src/engine/ops/one-pass.js';
import { rotaryTable, rotate } from '../../../src/engine/ops/rotary.js';
import { describeOnEngines } from '../../support/engines.js';
import { dot, expectClose, normals, resultsOf, rowsIn } from '../../support/operations.js';
import { rotated } from '../../support/reference-forward.js';

const [HEADS, BATCH, POSITIONS] = [2, 2, 3];

describeOnEngines('rotary positions', () => {
  it.each([
    ['whole heads', 4, 4, 0],
    ['a part of each head', 6, 4, 0],
    ['wide heads', 15, 14, 0],
    ['positions before the first', 4, 4, -2],
  ])('of %s', (_, width, dims, first) => {
    const rotary = { dims, frequencies: [1, 0.1, 2, 0.3, 0.5, 1.5, 0.2].slice(0, dims / 2), scale: 1.2 };
    // Two positions more than the queries have: those are the last.
    const table = rotaryTable(rotary, POSITIONS + 2, first);
    const shape: [number, number, number, number] = [HEADS, BATCH, POSITIONS, width];
    const [x, dy] = [
      normals(HEADS * BATCH * POSITIONS * width, 1),
      normals(HEADS * BATCH * POSITIONS * width, 2),
    ];
    const definition = (input: number[]) =>
      rowsIn(input, width).flatMap((row, i) => rotated(row, first + 2 + (i % POSITIONS), rotary));
    const [tx, tdy] = [tf.tensor4d(x, shape), tf.tensor4d(dy, shape)];
    const { y, dx } = resultsOf(() => ({ y: rotate(tx, table, 1), dx: rotate(tdy, table, -1) }));
    expectClose(y, definition(x));
    // Linear: the gradient by one number is what that number alone becomes.
    const unit = (i: number) => x.map((_, j) => (i === j ? 1 : 0));
    expectClose(
      dx,
      x.map((_, i) => dot(dy, definition(unit(i)))),
    );
    if (hasOnePass('OrthoscopeRotate')) {
      const beside = mergeHeads(tx);
      const lie = { batch: BATCH, heads: HEADS };
      const { rows } = resultsOf(() =>
        tf.tidy(() => ({ rows: splitHeads(rotate(beside, table, 1, lie), BATCH, HEADS) })),
      );
      expect(rows).toEqual(y);
      beside.dispose();
    }
    tf.dispose([tx, tdy, table.cos, table.sin]);
  });
});
