import fc from 'fast-check';
import { expect, it } from 'vitest';
import { type Axis, linearAxis, logAxis } from '../../src/report/axis.js';

const labels = ({ ticks }: Axis) => ticks.map(({ label }) => label);

it('counts in round steps from zero', () => {
  expect(labels(linearAxis(259))).toEqual(['0', '100', '200']);
  expect(labels(linearAxis(37020))).toEqual(['0', '10,000', '20,000', '30,000']);
  expect(labels(linearAxis(1))).toEqual(['0', '0.2', '0.4', '0.6', '0.8', '1']);
  expect(labels(linearAxis(0))).toEqual(labels(linearAxis(1)));
});

it('counts decades, or parts of few', () => {
  expect(labels(logAxis(0.0007, 1.3))).toEqual(['1e−4', '0.001', '0.01', '0.1', '1', '10']);
  expect(labels(logAxis(0.02, 0.5))).toEqual(['0.01', '0.02', '0.05', '0.1', '0.2', '0.5', '1']);
  expect(labels(logAxis(1e-9, 1))).toEqual(['1e−9', '1e−7', '1e−5', '0.001', '0.1']);
  expect(logAxis(0.01, 0.01).place(0.1)).toBeCloseTo(1);
});

it('places all values and ticks on the axis, in order', () => {
  const value = fc.double({ min: 1e-8, max: 1e8, noNaN: true });
  fc.assert(
    fc.property(value, value, (a, b) => {
      const [low, high] = [Math.min(a, b), Math.max(a, b)];
      for (const axis of [linearAxis(high), logAxis(low, high)]) {
        const places = [low, high, ...axis.ticks.map((tick) => tick.value)].map(axis.place);
        for (const place of places) expect(Math.abs(place - 0.5)).toBeLessThanOrEqual(0.5 + 1e-6);
        expect(axis.place(low)).toBeLessThanOrEqual(axis.place(high));
        expect(axis.ticks.length).toBeGreaterThanOrEqual(2);
        expect(axis.ticks.length).toBeLessThanOrEqual(8);
        expect(new Set(labels(axis)).size).toBe(axis.ticks.length);
      }
    }),
  );
});
