/** On pairs whose KL is a sum over left-out directions, so that what the attack must find is known. */
import { expect, it } from 'vitest';
import { attackMetrics, attackPasses } from '../../src/evaluate/attack-metrics.js';
import { emptyScores } from '../../src/evaluate/prompt-scores.js';
import { MaskLayout } from '../../src/forward/layout.js';
import { ATTACK_DEFAULTS } from '../../src/settings/attack-settings.js';
import { GPT2_SMALL } from '../support/architectures.js';

const layout = new MaskLayout({ ...GPT2_SMALL, nLayers: 1, nHeads: 2, dHead: 4, dModel: 8, dMlp: 16 });
const first = layout.components[1]!;
const { start } = layout.of(first);
/** What each direction adds to the KL when it comes back whole. */
const harm = new Float32Array(layout.size);
harm[start] = 2;
harm[start + 1] = 1;
const circuit = Float32Array.from({ length: layout.size }, (_, at) => Number(at < start));

let gradients = 0;
let scored = 0;
const kl = async (masks: Float32Array) => {
  scored++;
  return masks.reduce((sum, mask, at) => sum + mask * harm[at]!, 0.01);
};
const seen = {
  length: 3,
  kl,
  gradient: async (_: readonly number[], masks: Float32Array) => {
    gradients++;
    return {
      kl: masks.reduce((sum, mask, at) => sum + mask * harm[at]!, 0.01),
      loss: 0,
      gradient: harm.slice(),
    };
  },
};
const measured = {
  length: 1,
  kl,
  score: async (masks: Float32Array) => ({ ...emptyScores(1), kl: Float64Array.of(await kl(masks)) }),
};
const whole = {
  layout,
  masked: layout.components,
  sigma: new Float32Array(layout.size).fill(1),
  masks: circuit,
  binarised: circuit,
};

it('drives the KL to what all that harms adds, and names it', async () => {
  const found = await attackMetrics(seen, measured, whole, { ...ATTACK_DEFAULTS, seed: 1 });
  expect(found.plain_kl).toBeCloseTo(0.01, 6);
  expect(found.kl).toBeCloseTo(3.01, 4);
  expect(found.random!.uniform.mean).toBeLessThan(found.kl);
  const [worst, next] = found.missed;
  expect(worst).toMatchObject({ component: first.name, direction: 0, share: 1 });
  expect(worst!.part).toBeCloseTo(2, 4);
  expect(worst!.returns).toBeCloseTo(2, 4);
  expect(next).toMatchObject({ component: first.name, direction: 1 });
  expect(found.missed_by_component[0]!.component).toBe(first.name);
  expect(found.missed_by_component[0]!.part).toBeCloseTo(3, 4);
  expect(found.by_number).toEqual([]);
  expect(found.per_prompt).toBeNull();
  expect(found.control.active).toBe(start);
});

it('asks for more with budgets: what a single direction does, and no more of each than is allowed', async () => {
  const found = await attackMetrics(seen, measured, whole, {
    ...ATTACK_DEFAULTS,
    attackBudgets: true,
    seed: 1,
  });
  expect(found.by_number[0]).toMatchObject({ most: 1 });
  expect(found.by_number[0]!.kl).toBeCloseTo(2.01, 4);
  expect(found.by_cap.map(({ cap, kl }) => [cap, kl.toFixed(3)])).toEqual([
    [0.05, '0.160'],
    [0.1, '0.310'],
    [0.25, '0.760'],
  ]);
  expect(found.along[5]!.kl).toBeCloseTo(1.51, 4);
  expect(found.per_prompt).toMatchObject({ prompts: 3, steps: 4 });
  expect(found.per_prompt!.worst[0]!.kl).toBeCloseTo(3.01, 4);
});

it('takes no more passes than are foreseen', async () => {
  for (const attackBudgets of [false, true]) {
    [gradients, scored] = [0, 0];
    const settings = { ...ATTACK_DEFAULTS, attackBudgets };
    await attackMetrics(seen, measured, whole, { ...settings, seed: 1 });
    const foreseen = attackPasses(settings);
    expect(gradients).toBeGreaterThan(foreseen.gradients / 3);
    expect(gradients + scored).toBeLessThanOrEqual(1.5 * (foreseen.gradients + foreseen.scores));
  }
  expect(attackPasses({ ...ATTACK_DEFAULTS, attack: 0 })).toEqual({ gradients: 0, scores: 0 });
});
