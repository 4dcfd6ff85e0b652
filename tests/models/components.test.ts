import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  componentName,
  directionRangeName,
  parseComponentName,
  parseDirectionRange,
} from '../../src/models/components.js';
import { HEAD_KINDS, MLP_KINDS } from '../../src/settings/choices.js';

const index = fc.nat(200);
const place = fc
  .oneof(
    fc.record({ kind: fc.constantFrom(...HEAD_KINDS), layer: index, head: index }),
    fc.record({ kind: fc.constantFrom(...MLP_KINDS), layer: index }),
  )
  .map((where) => ({
    ...where,
    name: componentName(where.kind, where.layer, 'head' in where ? where.head : undefined),
  }));

describe('parseComponentName', () => {
  it('reads what componentName writes', () => {
    fc.assert(
      fc.property(place, (where) => {
        expect(parseComponentName(where.name)).toEqual(where);
      }),
    );
  });

  it('reads nothing else', () => {
    for (const text of [
      '',
      'L1',
      'L1.qk',
      'L1H0.mlp_in',
      'L1.mlp_side',
      'L01H2.qk',
      'L1H2.qk ',
      'xL1H2.qk',
      'L1H2.qk.3',
    ])
      expect(parseComponentName(text)).toBeNull();
  });
});

describe('parseDirectionRange', () => {
  it('reads a range, one direction, and a whole component', () => {
    fc.assert(
      fc.property(place, index, index, (component, first, more) => {
        const range = { component, first, last: first + more };
        expect(parseDirectionRange(directionRangeName(range))).toEqual(range);
        expect(parseDirectionRange(`${component.name}.${first}`)).toEqual({ component, first, last: first });
        expect(parseDirectionRange(component.name)).toEqual({
          component,
          first: 0,
          last: Number.POSITIVE_INFINITY,
        });
      }),
    );
  });

  it('reads nothing else', () => {
    for (const text of ['', 'L0H1.qk.', 'L0H1.qk.-3', 'L0H1.qk.1-', 'L0H1.qk.1-2-3', 'L0H1.qk.a', '.1-2'])
      expect(parseDirectionRange(text)).toBeNull();
  });
});
