/** Cutting and joining streams along positions, on each engine: some have operations of their own for it. */
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { firstOf, joinPositions, lastOf } from '../../src/forward/positions.js';
import { describeOnEngines } from '../support/engines.js';
import { normals } from '../support/operations.js';

describeOnEngines('positions', () => {
  it('are cut from either end of each prompt, and joined again', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 1, max: 9 }),
        (batch, first, last, width) => {
          const positions = first + last;
          const values = normals(batch * positions * width, 1).map(Math.fround);
          const part = (from: number, to: number) =>
            Array.from({ length: batch }, (_, prompt) =>
              values.slice((prompt * positions + from) * width, (prompt * positions + to) * width),
            ).flat();
          tf.tidy(() => {
            const x = tf.tensor2d(values, [batch * positions, width]);
            const [start, end] = [firstOf(x, batch, first), lastOf(x, batch, last)];
            expect(start.shape).toEqual([batch * first, width]);
            expect([...start.dataSync()]).toEqual(part(0, first));
            expect([...end.dataSync()]).toEqual(part(first, positions));
            const joined = joinPositions(batch, start, end);
            expect(joined.shape).toEqual(x.shape);
            expect([...joined.dataSync()]).toEqual(values);
            expect(joinPositions(batch, null, end)).toBe(end);
            expect(firstOf(x, batch, positions)).toBe(x);
          });
        },
      ),
    );
  });
});
