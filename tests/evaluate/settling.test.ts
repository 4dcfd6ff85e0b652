import { describe, expect, it } from 'vitest';
import { settlingOf } from '../../src/evaluate/settling.js';
import type { HistoryLine } from '../../src/formats/run-folder.js';

const lines = (phase: string, sums: number[]): HistoryLine[] => sums.map((l1, step) => ({ step, phase, l1 }));
const falling = (steps: number, end: number, rate: number) =>
  Array.from({ length: steps }, (_, step) => end + (780 - end) * Math.exp(-step / rate));
const soft = [Float32Array.of(0, 0.04, 0.06, 0.5), Float32Array.of(0.94, 0.96, 1)];

describe('settlingOf', () => {
  it('counts masks as settled whose sum has fallen and lies still', () => {
    const settling = settlingOf(
      [...lines('soft', falling(120, 75, 6)), ...lines('rounding', [80, 76, 79, 77, 78, 78, 77, 79, 78, 78])],
      soft,
    )!;
    expect(settling).toMatchObject({
      steps: { soft: 120, rounding: 10 },
      undecided: 3,
      directions: 7,
      unsettled: null,
    });
    expect(settling.sum.start).toBe(780);
  });

  it.each<[string, HistoryLine[]]>([
    ['soft masks moved', lines('soft', falling(30, 75, 12))],
    // Fifteen steps of a rate at which hundreds are needed.
    [
      'soft masks near their start',
      lines(
        'soft',
        Array.from({ length: 15 }, (_, step) => 772 - 0.1 * step),
      ),
    ],
    [
      'kept directions moved',
      [
        ...lines('soft', falling(120, 75, 6)),
        ...lines('rounding', [400, 390, 380, 370, 360, 350, 340, 330, 300, 270]),
      ],
    ],
    ['too few steps', lines('soft', [772])],
    ['too few steps', [...lines('soft', falling(120, 75, 6)), ...lines('rounding', [75])]],
  ])('says of others: %s', (reason, history) => {
    expect(settlingOf(history, soft)!.unsettled).toBe(reason);
  });

  it('passes over validations, and over values that were not finite', () => {
    const steps = lines('soft', falling(120, 75, 6));
    const others: HistoryLine[] = [
      { step: 7, phase: 'soft', l1: 5000, validation: true },
      { step: 8, phase: 'soft', l1: null },
    ];
    expect(settlingOf([...others, ...steps], soft)).toEqual(settlingOf(steps, soft));
  });

  it('knows nothing where nothing was trained', () => {
    expect(settlingOf([], soft)).toBeNull();
  });
});
