/** Heads outside a group, on a model whose answer is known: it takes the larger of two movers, and adds a third. */
import { expect, it } from 'vitest';
import { emptyScores } from '../../src/evaluate/prompt-scores.js';
import { type Ablated, outsideHeads } from '../../src/evidence/outside-heads.js';

const strength = { mover: [5, 7], backup: [4, 4], other: [1, 3] };
const score = (masks: ArrayLike<number>, prompt: number) =>
  Math.max(masks[0]! * strength.mover[prompt]!, masks[1]! * strength.backup[prompt]!) +
  ((masks[2]! + masks[3]!) / 2) * strength.other[prompt]!;

let passes = 0;
const prompts: Ablated = {
  length: 2,
  score: async (masks) => {
    passes++;
    const scores = emptyScores(2);
    for (const prompt of [0, 1]) {
      scores.logit_diff[prompt] = score(masks, prompt);
      scores.full_logit_diff[prompt] = score([1, 1, 1, 1, 1], prompt);
      scores.kl[prompt] = 2 * (scores.full_logit_diff[prompt]! - scores.logit_diff[prompt]!);
    }
    return scores;
  },
  objective: async (indices, masks) => ({
    kl: 0,
    loss: 0,
    gradient: masks.map((_, at) => {
      const less = masks.map((mask, i) => (i === at ? mask - 1e-3 : mask));
      const mean = (of: ArrayLike<number>) =>
        indices.reduce((sum, prompt) => sum + score(of, prompt), 0) / indices.length;
      return (mean(less) - mean(masks)) / 1e-3;
    }),
  }),
};
const heads = new Map([
  ['L0H0', [0]],
  ['L0H1', [1]],
  ['L0H2', [2, 3]],
  ['L0H3', [4]],
]);
const settings = { directions: 5, level: 0.95, resamples: 100, seed: 0 };

it('finds the head that stands in for the group, which alone costs nothing', async () => {
  const groups = new Map([['mover', ['L0H0']]]);
  const [found] = await outsideHeads(prompts, heads, groups, { most: 4, score: 'logit_diff', ...settings });
  // Without the mover its backup does the work: of 5 and 7 is left 4.
  expect(found).toMatchObject({ group: 'mover', loss: { value: 2 } });
  const [first, second, ...others] = found!.heads;
  expect(first).toMatchObject({
    head: 'L0H1',
    alone: { value: 0 },
    on_top: { value: 4 },
    more: { value: 4 },
  });
  expect(second).toMatchObject({
    head: 'L0H2',
    alone: { value: 2 },
    on_top: { value: 2 },
    more: { value: 0 },
  });
  expect(second!.alone.confidence).toEqual([1, 3]);
  for (const { on_top } of others) expect(on_top.value).toBe(0);
});

it('measures no more heads than asked for, by their slopes, and nothing twice', async () => {
  passes = 0;
  const groups = new Map([
    ['mover', ['L0H0']],
    ['again', ['L0H0']],
  ]);
  const found = await outsideHeads(prompts, heads, groups, { most: 2, score: 'logit_diff', ...settings });
  expect(found.map(({ heads }) => heads.map(({ head }) => head))).toEqual([
    ['L0H1', 'L0H2'],
    ['L0H1', 'L0H2'],
  ]);
  expect(passes).toBe(5);
});

it('measures the KL where prompts have no logit difference', async () => {
  const groups = new Map([['mover', ['L0H0']]]);
  const [found] = await outsideHeads(prompts, heads, groups, { most: 4, score: 'kl', ...settings });
  expect(found!.loss.value).toBe(4);
});
