import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { circuitParts, indexRanges } from '../../src/report/circuit.js';

it('reads the directions above the threshold off each component, in the order of the model', () => {
  const masks = new Map([
    ['L10.mlp_in', Float32Array.of(0, 0.2)],
    ['L3H11.ov', Float32Array.of(0.9, 0.5, 0.51, 0)],
    ['L3H2.ov', Float32Array.of(1)],
    ['L3H11.qk', Float32Array.of(1)],
  ]);
  expect(circuitParts(masks, 0.5)).toEqual([
    { name: 'L3H11.qk', kind: 'qk', layer: 3, head: 11, directions: 1, active: [0] },
    { name: 'L3H2.ov', kind: 'ov', layer: 3, head: 2, directions: 1, active: [0] },
    { name: 'L3H11.ov', kind: 'ov', layer: 3, head: 11, directions: 4, active: [0, 2] },
    { name: 'L10.mlp_in', kind: 'mlp_in', layer: 10, directions: 2, active: [] },
  ]);
});

describe('indexRanges', () => {
  it.each<[number[], string]>([
    [[], ''],
    [[7], '7'],
    [[0, 2, 5], '0 2 5'],
    [[0, 1, 3], '0 1 3'],
    [[0, 1, 2, 7, 9, 10, 11, 12], '0–2 7 9–12'],
  ])('%j is "%s"', (indices, text) => expect(indexRanges(indices)).toBe(text));

  it('says exactly which indices were given', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(40)), (indices) => {
        indices.sort((a, b) => a - b);
        const read = indexRanges(indices)
          .split(' ')
          .filter((word) => word !== '')
          .flatMap((word) => {
            const [from, to = from] = word.split('–').map(Number);
            return Array.from({ length: to! - from! + 1 }, (_, i) => from! + i);
          });
        expect(read).toEqual(indices);
      }),
    );
  });
});
