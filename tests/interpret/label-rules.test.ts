/** Labels by rule: what a reading comes to in a line. */
import { expect, it } from 'vitest';
import { labelByRule } from '../../src/interpret/label-rules.js';
import type { Reading } from '../../src/interpret/readings.js';

const spelt = (...tokens: string[]) => tokens.map((token, id) => ({ id, value: 1, token }));
const mean = (value: number) => ({ n: 9, mean: value, low: value - 1, high: value + 1 });

const reading = (own: Partial<Reading>): Reading => ({
  ...({ direction: 'L0H0.ov.0', component: 'L0H0.ov', kind: 'ov', layer: 0, head: 0, index: 0 } as const),
  ...{ sigma: 1, mask: null, in_circuit: null, raises: null, lowers: null, reads: null, reads_against: null },
  ...{ keys: null, keys_against: null, neurons: null, groups: null, variance_share: null, adds: null },
  ...{ importance: null, role: null, head_names: null, contexts: null, label: null },
  ...own,
});

const gender = {
  raises: spelt(' she', ' her', ' hers', ' woman'),
  lowers: spelt(' he', ' his'),
  reads: spelt('Sarah'),
  reads_against: spelt('John'),
};

it('says what is read and written, by the sign that coefficients have', () => {
  const label = (groups: Reading['groups']) => labelByRule(reading({ ...gender, groups }));
  const plain = 'reads “Sarah”, raises “ she” “ her” “ hers”, lowers “ he” “ his”';
  expect(label(null)).toBe(plain);
  expect(label({ all: mean(3) })).toBe(plain);
  // What makes a coefficient negative is the other end of what the direction reads.
  expect(label({ all: mean(-3) })).toBe('reads “John”, raises “ he” “ his”, lowers “ she” “ her” “ hers”');
  expect(label({ she: mean(4), he: mean(-4), all: mean(0) })).toBe(`${plain} on she; the reverse on he`);
});

it('says what is looked for, where a test tells it apart', () => {
  const separation = (effect: number, q: number) => ({ effect, p: q, q });
  const attention = { full: 0.6, alone: 0.45, without: 0.1 };
  const of = (name: string, effect: number, q: number) => ({
    ...{
      class: name,
      score: mean(effect),
      top: 0.5,
      chance: 0.1,
      separation: separation(effect, q),
      attention,
    },
  });
  const label = (...classes: ReturnType<typeof of>[]) =>
    labelByRule(
      reading({
        kind: 'qk',
        keys: spelt('a'),
        role: { queries: 9, classes, highest: [], lowest: [], offsets: [], curve: null },
      }),
    );
  expect(label(of('verb', 0.5, 0.001), of('subject', 0.9, 0.001))).toBe(
    'looks for subject (45.0 % of attention alone, 60.0 % in full)',
  );
  expect(label(of('verb', -0.9, 0.001))).toBe('looks away from verb');
  expect(label(of('verb', 0.9, 0.2))).toContain('no class of keys told apart');
  expect(labelByRule(reading({ kind: 'qk', keys: spelt(' Mary'), reads: spelt(' to') }))).toBe(
    '“ to” look for “ Mary”',
  );
});

it('says what is read, of what neither writes nor looks', () => {
  expect(labelByRule(reading({ kind: 'mlp_in', reads: spelt('a'), reads_against: spelt('b') }))).toBe(
    'reads “a”, against “b”',
  );
});

it('begins with what the head is called, and ends with where the direction was strongest', () => {
  const own = { ...gender, head_names: ['induction', 'previous'] as const, contexts: [] };
  const plain = labelByRule(reading(gender));
  expect(labelByRule(reading({ ...own, head_names: [...own.head_names] }))).toBe(
    `induction and previous-token head: ${plain}`,
  );
  const contexts = [
    { text: 'Sarah is such a great friend, isn', value: 4 },
    { text: 'a', value: 1 },
  ];
  expect(labelByRule(reading({ ...gender, head_names: [], contexts }))).toBe(
    `${plain}; strongest after “Sarah is such a great friend, isn”`,
  );
  const long = [{ text: `${'x'.repeat(60)} end`, value: 1 }];
  expect(labelByRule(reading({ ...gender, contexts: long }))).toBe(
    `${plain}; strongest after “…${'x'.repeat(36)} end”`,
  );
});
