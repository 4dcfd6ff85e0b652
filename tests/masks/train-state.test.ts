import { expect, it } from 'vitest';
import { maskOf } from '../../src/masks/mask-logits.js';
import { initialState } from '../../src/masks/train-state.js';

it('starts every mask at the same value, and frozen ones at 0', () => {
  const masks = initialState(3, 0.99, Uint8Array.of(0, 1, 0)).logits.map(maskOf);
  expect(masks[0]).toBeCloseTo(0.99, 6);
  expect(masks[1]).toBe(0);
  expect(masks[2]).toBe(masks[0]);
});
