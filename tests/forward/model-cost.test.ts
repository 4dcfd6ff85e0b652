import { expect, test } from 'vitest';
import { MaskLayout } from '../../src/forward/layout.js';
import { directionCost, modelCost, weightBytes } from '../../src/forward/model-cost.js';
import { GPT2_SMALL } from '../support/architectures.js';

/** Published number of parameters of GPT-2 small, less its biases and norms. */
const GPT2_MATRICES = 124_439_808 - 12 * (6_912 + 4 * 768) - 2 * 768;

test("counts GPT-2 small's published parameters; the unembedding, which it ties, is a copy", () => {
  const { layer, keysValues, bases, embedding, unembedding } = modelCost(GPT2_SMALL);
  expect(12 * layer + embedding).toBe(GPT2_MATRICES);
  expect(keysValues).toBe(2 * 768 * 768);
  expect(bases).toBe(0);
  expect(weightBytes(GPT2_SMALL)).toBe(4 * (GPT2_MATRICES + unembedding));
});

test('counts what queries and keys, attention results and MLP matrices are read and written with', () => {
  const of = (kind: 'qk' | 'ov' | 'mlp_in') =>
    modelCost(GPT2_SMALL, new MaskLayout(GPT2_SMALL, [kind]).components).bases;
  expect(of('qk')).toBe(12 * 64 * (769 + 769));
  expect(of('ov')).toBe(12 * 65 * (64 + 768));
  expect(of('mlp_in')).toBe(769 * (769 + 3072));
});

test('knows which plain matrices directions stand in for', () => {
  const { components } = new MaskLayout(GPT2_SMALL);
  const { read, write, plain } = directionCost(GPT2_SMALL, components);
  const { layer, keysValues, bases } = modelCost(GPT2_SMALL, components);
  expect(read + write).toBe(bases);
  // All but the values' matrix.
  expect(plain).toBe(layer - keysValues / 2);
});
