import { describe, expect, it } from 'vitest';
import { Schedule, trainingSteps } from '../../src/masks/schedule.js';
import { initialState } from '../../src/masks/train-state.js';
import { PRESETS, type TrainSettings } from '../../src/settings/train-settings.js';

const settings: TrainSettings = { ...PRESETS.default, batchSize: 4, steps: 50, roundingSteps: 20 };
const schedule = (changes: Partial<TrainSettings> = {}, seed = 0) =>
  new Schedule({ directions: 3, pairs: 10 }, { ...settings, ...changes }, seed);
const at = (phase: 'soft' | 'rounding', phaseStep: number) => ({
  ...initialState(3, 0.9),
  phase,
  phaseStep,
});

describe('batches', () => {
  it('hold every pair once per epoch, in an order of their own', () => {
    const epoch = (first: number, seed = 0) =>
      [0, 1, 2].flatMap((step) => schedule({}, seed).batch(at('soft', first + step)).indices);
    for (const first of [0, 3, 6])
      expect(epoch(first).toSorted((a, b) => a - b)).toEqual(Array.from({ length: 10 }, (_, i) => i));
    expect(epoch(3)).not.toEqual(epoch(0));
    expect(epoch(0, 1)).not.toEqual(epoch(0));
  });

  it('are the same wherever a run is taken up again', () => {
    const whole = schedule();
    for (let step = 0; step < 9; step++)
      expect(schedule().batch(at('soft', step))).toEqual(whole.batch(at('soft', step)));
  });

  it('last as many soft steps as the settings say, and one when rounding', () => {
    const often = schedule({ stepsPerBatch: 2 });
    const starts = (phase: 'soft' | 'rounding') =>
      [0, 1, 2, 3].map((step) => often.batch(at(phase, step)).newBatch);
    expect(starts('soft')).toEqual([true, false, true, false]);
    expect(starts('rounding')).toEqual([true, true, true, true]);
  });
});

it('falls from the first γ to the last by equal factors, in the rounding phase alone', () => {
  const smooth = schedule({ roundingGamma: [1, 0.01], roundingSteps: 3 });
  expect(smooth.gamma(at('soft', 1))).toBeNull();
  const gammas = [0, 1, 2].map((step) => smooth.gamma(at('rounding', step))!);
  for (const [step, gamma] of [1, 0.1, 0.01].entries()) expect(gammas[step]).toBeCloseTo(gamma, 12);
});

it('counts the steps of both phases: epochs, unless fewer are asked for', () => {
  expect(trainingSteps(settings, 10)).toBe(70);
  expect(trainingSteps({ ...settings, steps: null, epochs: 2, stepsPerBatch: 5 }, 10)).toBe(2 * 3 * 5 + 20);
});
