import fc from 'fast-check';
import { expect, it } from 'vitest';
import { chainToLogits, logitOf, maskOf } from '../../src/masks/mask-logits.js';

it('takes a mask to its logit and back', () => {
  fc.assert(
    fc.property(fc.double({ min: 1e-9, max: 1 - 1e-9, noNaN: true }), (mask) => {
      expect(maskOf(logitOf(mask))).toBeCloseTo(mask, 12);
    }),
  );
  expect(maskOf(Number.NEGATIVE_INFINITY)).toBe(0);
});

it.each([null, 0.3])('gives the slope of loss and price by the logits, γ = %s', (gamma) => {
  const price = 0.2;
  const priced = (m: number) => price * (gamma === null ? m : m ** 2 / (m ** 2 + gamma ** 2));
  fc.assert(
    fc.property(
      fc.double({ min: -4, max: 4, noNaN: true }),
      fc.double({ min: -2, max: 2, noNaN: true }),
      (logit, slope) => {
        const gradient = Float32Array.of(slope);
        chainToLogits(gradient, Float32Array.of(logit), price, gamma);
        const total = (x: number) => slope * maskOf(x) + priced(maskOf(x));
        expect(gradient[0]).toBeCloseTo((total(logit + 1e-4) - total(logit - 1e-4)) / 2e-4, 4);
      },
    ),
  );
});
