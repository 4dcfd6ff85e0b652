import { expect, it } from 'vitest';
import { adamWStep, clipNorm, freshAdamW, norm } from '../../src/masks/optimiser.js';

const settings = { lr: 0.1, betas: [0.9, 0.999] as const, eps: 1e-8, weightDecay: 0 };

it('takes steps of the learning rate whatever the gradient size, at first', () => {
  const parameters = Float32Array.of(1, 1, 1);
  adamWStep(parameters, Float32Array.of(1e-4, -3, 0), freshAdamW(3), settings);
  expect(parameters[0]).toBeCloseTo(0.9, 4);
  expect(parameters[1]).toBeCloseTo(1.1, 6);
  expect(parameters[2]).toBe(1);
});

it('decays parameters apart from the gradient', () => {
  const parameters = Float32Array.of(2);
  adamWStep(parameters, Float32Array.of(0), freshAdamW(1), { ...settings, weightDecay: 0.5 });
  expect(parameters[0]).toBeCloseTo(2 * (1 - 0.1 * 0.5), 6);
});

it('finds the minimum of a quadratic', () => {
  const parameters = Float32Array.of(5, -3);
  const state = freshAdamW(2);
  for (let step = 0; step < 500; step++)
    adamWStep(
      parameters,
      parameters.map((x, i) => (i + 1) * (x - 1)),
      state,
      settings,
    );
  for (const x of parameters) expect(x).toBeCloseTo(1, 2);
});

it('clips to the limit and leaves short gradients alone', () => {
  const long = Float32Array.of(3, 4);
  expect(clipNorm(long, 1)).toBeCloseTo(5, 6);
  expect(norm(long)).toBeCloseTo(1, 5);
  const short = Float32Array.of(0.3, 0.4);
  expect(clipNorm(short, 1)).toBeCloseTo(0.5, 6);
  expect(Array.from(short)).toEqual(Array.from(Float32Array.of(0.3, 0.4)));
});
