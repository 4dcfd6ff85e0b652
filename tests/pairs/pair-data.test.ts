/** What travels to a process and back: the numbers of the chosen pairs, all of them and no others. */

import { expect, it } from 'vitest';
import type { TokenPair } from '../../src/formats/token-pairs.js';
import { MaskLayout } from '../../src/forward/layout.js';
import type { Masking, Positions } from '../../src/forward/masking-rules.js';
import type { Architecture } from '../../src/models/architecture.js';
import { type CoefficientBlock, slotsOf, slotView } from '../../src/pairs/coefficient-slots.js';
import {
  emptyPairs,
  emptyPart,
  type FilledPairs,
  filledWhole,
  type ReadyPairs,
  readyPairs,
  readyPart,
} from '../../src/pairs/pair-data.js';
import { detached, received } from '../../src/pairs/sent-pairs.js';
import { Random } from '../../src/random.js';
import { REPLACEMENTS, type Replacement } from '../../src/settings/choices.js';

const architecture: Architecture = {
  family: 'gpt2',
  nLayers: 2,
  dModel: 8,
  nHeads: 2,
  nKvHeads: 2,
  dHead: 4,
  dMlp: 12,
  nVocab: 20,
  nPositions: 16,
  norm: 'layer',
  normEpsilon: 1e-5,
  activation: 'gelu_new',
  gatedMlp: false,
  parallelResidual: false,
  attentionScale: [0.5, 0.5],
  biases: { q: true, k: true, v: true, o: true, mlpIn: true, mlpGate: false, mlpOut: true },
};
const masking = (positions: Positions): Masking => ({
  architecture,
  layout: new MaskLayout(architecture, ['ov', 'mlp_in', 'mlp_out']),
  positions,
});
const random = new Random(2);
const prompt = (length: number) => Int32Array.from({ length }, () => random.integer(20));
const pairs = Array.from({ length: 6 }, (_, id): TokenPair => {
  const [clean, corrupted] = [prompt(2 + (id % 4)), prompt(3 + (id % 3))];
  return { id: String(id), clean, corrupted, answers: Int32Array.of(1), distractors: Int32Array.of() };
});

/** Data of all pairs, as if computed. */
function filled(how: Masking, replacement: Replacement): FilledPairs {
  const data = emptyPairs(how, pairs, { replacement, seed: 3, keepPast: true });
  for (const array of [data.states, data.coefficients])
    array.forEach((_, i) => {
      array[i] = random.normal();
    });
  return { ...data, filled: true };
}

/** What masks read of each pair. */
function read(how: Masking, { states, rows, coefficients, replaced }: ReadyPairs) {
  const d = architecture.dModel;
  const slots = slotsOf(how);
  const of = (block: CoefficientBlock) =>
    slots.map((_, at) => [...slotView(how, coefficients, slots, block, at)]);
  return {
    states: rows.map((row) => [...states.subarray(row * d, (row + 1) * d)]),
    replaced: replaced.map(of),
  };
}

for (const positions of ['last', 'all'] as const)
  for (const replacement of REPLACEMENTS) {
    const how = masking(positions);
    const chosen = [4, 1, 2];

    it(`is sent what masks on ${positions} positions read, replaced by ${replacement}`, () => {
      const subset = readyPart(readyPairs(how, filled(how, replacement)), chosen);
      const sent = detached(how, subset);
      expect(read(how, sent)).toEqual(read(how, subset));
      expect(sent.states.length).toBe(chosen.length * architecture.dModel);
      const blocks = replacement === 'zero' ? 0 : replacement === 'mean' ? 1 : chosen.length;
      const mostTokens = positions === 'all' && replacement !== 'mean' ? 5 : 1;
      const directions = slotsOf(how).reduce((sum, { width }) => sum + width, 0);
      expect(sent.coefficients.length).toBeLessThanOrEqual(blocks * mostTokens * directions);
      expect(sent.pasts).toBeNull();
    });

    it(`comes back to its place, on ${positions} positions, replaced by ${replacement}`, () => {
      const whole = filled(how, replacement);
      const back = emptyPairs(how, pairs, { replacement, seed: 3, keepPast: false });
      const batches = [[5, 0], chosen, [3]];
      const parts = batches.map((batch) => {
        const { own, ...part } = emptyPart(whole, batch);
        // A process lays its pairs out in their order.
        return received(how, emptyPart(back, batch), detached(how, { ...part, replaced: own }));
      });
      expect(() => filledWhole(back, parts.slice(1))).toThrow('pair "0" was not filled');
      expect(filledWhole(back, parts).filled).toBe(true);
      expect(back.states).toEqual(whole.states);
      expect(back.coefficients).toEqual(whole.coefficients);
    });
  }
