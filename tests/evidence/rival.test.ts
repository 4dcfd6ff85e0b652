/** The line that asks for another circuit of the same size. */
import { expect, it } from 'vitest';
import { rivalLine } from '../../src/evidence/rival.js';

const settings = { level: 0.95, resamples: 200, seed: 0 };
const n = 40;
/** Each prompt is worth its own; the circuit keeps all of it, the rival a share. */
const scores = (share: number, scored = true) => ({
  kl: Float64Array.from({ length: n }, (_, i) => (1 - share) * (1 + (i % 5))),
  logit_diff: Float64Array.from({ length: n }, (_, i) => (scored ? -2 + share * (3 + (i % 7)) : Number.NaN)),
});
const found = (share: number, scored = true, rival_kept = 9) => ({
  ...{ kept: 9, rival_kept, found: 30 },
  circuit: scores(1, scored),
  rival: scores(share, scored),
  nothing: scores(0, scored),
});

it('is a ratio of means over what both keep above nothing', () => {
  for (const scored of [true, false])
    for (const [share, outcome] of [
      [0.9, 'against'],
      [0.3, 'for'],
    ] as const) {
      const line = rivalLine(found(share, scored), settings);
      expect(line.statistic!.value).toBeCloseTo(share, 9);
      expect([line.outcome, line.n]).toEqual([outcome, { value: n, of: 'prompts' }]);
    }
  expect(rivalLine(found(0.9), settings).claim).toContain('a sufficient circuit, not the only one');
});

it('does not compare with fewer directions', () => {
  expect(rivalLine(found(0.9, true, 4), settings).outcome).toBe('missing');
});
