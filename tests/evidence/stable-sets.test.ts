/** What circuits agree on, as directions and as spaces. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { stableSets } from '../../src/evidence/stable-sets.js';
import { sharedSpaces } from '../../src/evidence/subspaces.js';

it('parts the union into core, contingent and noise', () => {
  const circuits = fc
    .tuple(fc.integer({ min: 1, max: 8 }), fc.integer({ min: 1, max: 20 }))
    .chain(([n, size]) =>
      fc.array(fc.array(fc.boolean(), { minLength: size, maxLength: size }), { minLength: n, maxLength: n }),
    );
  fc.assert(
    fc.property(circuits, fc.constantFrom(0, 0.25, 0.6), (kept, noise) => {
      const sets = stableSets(
        kept.map((one) => Float32Array.from(one, Number)),
        noise,
      );
      expect([...sets.core, ...sets.contingent, ...sets.noise].sort((a, b) => a - b)).toEqual(sets.union);
      for (const at of sets.core) expect(kept.every((one) => one[at])).toBe(true);
      for (const at of sets.noise)
        expect(sets.counts[at]).toBeLessThanOrEqual(Math.max(1, noise * kept.length));
      for (const at of sets.contingent) expect(sets.counts[at]).toBeGreaterThan(noise * kept.length);
    }),
  );
});

it('compares spaces and not their bases', () => {
  const [e0, e1, e2] = [
    [1, 0, 0, 0],
    [0, 1, 0, 0],
    [0, 0, 1, 0],
  ];
  const plane = new Map([['L0H0.ov', [e0!, e1!]]]);
  const turned = new Map([
    [
      'L0H0.ov',
      [
        [1, 1, 0, 0],
        [2, -1, 0, 0],
      ],
    ],
    ['L0.mlp_out', [e2!]],
  ]);
  const { shared, chance, smaller, components } = sharedSpaces(plane, turned, () => 4);
  expect([shared, chance, smaller]).toEqual([expect.closeTo(2, 9), 1, 2]);
  expect(components.map(({ component, angles }) => [component, angles.length])).toEqual([['L0H0.ov', 2]]);
  const line = new Map([['L0H0.ov', [[1, 0, 1, 0]]]]);
  expect(sharedSpaces(plane, line, () => 4).components[0]!.angles).toEqual([expect.closeTo(Math.PI / 4, 9)]);
});
