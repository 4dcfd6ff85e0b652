/** Tokens that directions write and read: against the definitions, token by token, and by asking the model. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { augmentedHead } from '../../src/decompose/factors.js';
import type { Direction } from '../../src/interpret/coefficients.js';
import { type Receptors, receptors } from '../../src/interpret/receptors.js';
import { endsOf, type TokenEnds } from '../../src/interpret/token-ends.js';
import { kvHeadOf } from '../../src/models/architecture.js';
import { describeOnEngines } from '../support/engines.js';
import { ALL_FAMILIES } from '../support/family-model.js';
import { takeApart } from '../support/taken-apart.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const folder = temporaryFolder();

const sumOf = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0);
const TOP = 4;

/** Both ends hold the right values, to rounding: nearly equal ones may stand in either order. */
function expectEnds({ highest, lowest }: TokenEnds, wanted: readonly number[]): void {
  const sorted = [...wanted].sort((a, b) => b - a);
  highest.forEach(({ id, value }, rank) => {
    expect(Math.abs(value - wanted[id]!)).toBeLessThan(1e-4);
    expect(Math.abs(value - sorted[rank]!)).toBeLessThan(1e-4);
  });
  lowest.forEach(({ id, value }, rank) => {
    expect(Math.abs(value - wanted[id]!)).toBeLessThan(1e-4);
    expect(Math.abs(value - sorted.at(-1 - rank)!)).toBeLessThan(1e-4);
  });
}

describeOnEngines('receptors', (engine) => {
  for (const family of ALL_FAMILIES)
    it(`are the tokens that the definitions name, in ${family}`, async () => {
      const { apart, reference } = await takeApart(engine(), folder, family, { form: 'folded' });
      const { architecture: a, ends } = reference;
      const { dModel: d, nVocab } = a;
      const every = apart.running.layout.components.flatMap((component) =>
        Array.from({ length: component.rank }, (_, index): Direction => ({ component, index })),
      );
      const found: Receptors[] = [];
      for await (const slice of receptors({ ...apart, engine: engine() }, every, { top: TOP }))
        found.push(...slice);
      expect(found.map(({ direction }) => direction)).toEqual(every);
      const tokens = Array.from({ length: nVocab }, (_, token) => token);
      const read = tokens.map((token) => {
        const row = Array.from(ends.embed.subarray(token * d, (token + 1) * d));
        const mean = a.norm === 'layer' ? sumOf(row) / d : 0;
        const centred = row.map((value) => value - mean);
        const rate = 1 / Math.sqrt(sumOf(centred.map((value) => value ** 2)) / d + a.normEpsilon);
        return centred.map((value) => value * rate);
      });
      for (const { direction, sigma, writes, reads, keys, neurons } of found) {
        const { kind, name, rank, rows, cols, layer, head } = direction.component;
        const { u, s, vt } = reference.directions.get(name)!;
        const k = direction.index;
        expect(sigma).toBe(s[k]);
        const column = Array.from({ length: rows }, (_, r) => u[r * rank + k]!);
        const product = (vector: readonly number[], x: readonly number[]) =>
          sumOf((vector.length > d ? [1, ...x] : x).map((value, i) => value * vector[i]!));
        const last = kind === 'mlp_out' || kind === 'mlp_down';
        expect(writes !== null).toBe(kind === 'ov' || last);
        expect(reads === null).toBe(last);
        if (writes) {
          const v = Array.from(vt.subarray(k * cols, (k + 1) * cols));
          const mean = a.norm === 'layer' ? sumOf(v) / d : 0;
          const logits = tokens.map((token) =>
            sumOf(v.map((value, i) => s[k]! * (value - mean) * ends.unembed.weight[i * nVocab + token]!)),
          );
          const shared = sumOf(logits) / nVocab;
          expectEnds(
            writes,
            logits.map((logit) => logit - shared),
          );
        }
        if (reads)
          expectEnds(
            reads,
            read.map((x) => product(column, x)),
          );
        if (keys) {
          const query = augmentedHead(reference.layers[layer]!.q, head!, a.dHead);
          const key = augmentedHead(reference.layers[layer]!.k, kvHeadOf(head!, a), a.dHead);
          const inHead = (matrix: Float32Array, vector: readonly number[]) =>
            Array.from({ length: a.dHead }, (_, c) =>
              sumOf(vector.map((value, r) => value * matrix[r * a.dHead + c]!)),
            );
          const own = inHead(query, column);
          const augmented = (x: readonly number[]) => (key.length / a.dHead > d ? [1, ...x] : [...x]);
          expectEnds(
            keys,
            read.map((x) => sumOf(inHead(key, augmented(x)).map((value, c) => value * own[c]!))),
          );
        } else expect(kind).not.toBe('qk');
        if (neurons) {
          const weights = column.slice(-a.dMlp);
          const largest = [...weights].map(Math.abs).sort((x, y) => y - x);
          neurons.forEach(({ id, value }, at) => {
            expect(value).toBe(weights[id]);
            expect(Math.abs(value)).toBeCloseTo(largest[at]!, 6);
          });
        } else expect(last).toBe(false);
      }
      apart.running.dispose();
    });
});

describe('both ends of a list', () => {
  it('are those of the sorted list', () => {
    const values = fc.array(fc.integer({ min: -9, max: 9 }), { minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(values, fc.integer({ min: 1, max: 12 }), (values, top) => {
        const order = values.map((value, id) => ({ id, value }));
        const { highest, lowest } = endsOf(Float32Array.from(values), top);
        expect(highest).toEqual([...order].sort((a, b) => b.value - a.value || a.id - b.id).slice(0, top));
        expect(lowest).toEqual([...order].sort((a, b) => a.value - b.value || a.id - b.id).slice(0, top));
      }),
    );
  });
});
