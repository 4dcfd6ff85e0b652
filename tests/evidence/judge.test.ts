/** The sheet on a model that is nothing but a sum: what is needed, superfluous, made up for, is known. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { recordOf, SCORES } from '../../src/evaluate/metrics.js';
import type { PromptScores } from '../../src/evaluate/prompt-scores.js';
import { againstChance } from '../../src/evidence/against-chance.js';
import { judge } from '../../src/evidence/judge.js';
import { equivalenceLine } from '../../src/evidence/lines.js';
import { stratified } from '../../src/evidence/members.js';
import { foundAgainLine, otherTaskLine, shuffledLine } from '../../src/evidence/other-circuits.js';
import {
  byComponent,
  drawByComponent,
  sidesOf,
  type TestedCircuit,
} from '../../src/evidence/tested-circuit.js';
import { LINES, type Line, type LineId } from '../../src/evidence/verdict-file.js';
import { MaskLayout } from '../../src/forward/layout.js';
import type { Architecture } from '../../src/models/architecture.js';
import { Random } from '../../src/random.js';

const architecture = {
  nLayers: 2,
  nHeads: 2,
  nKvHeads: 2,
  dModel: 8,
  dHead: 4,
  dMlp: 16,
  gatedMlp: false,
  biases: { q: true, k: true, v: true, o: true, mlpIn: true, mlpGate: false, mlpOut: true },
} as unknown as Architecture;
const layout = new MaskLayout(architecture);
const PROMPTS = 40;

/** What each direction adds to the logit difference; the model's score varies over prompts. */
type Effects = (at: number) => number;

/**
 * @param circuit places of the circuit's directions
 * @param together what a set of kept directions does beside its sum
 */
function toy(circuit: readonly number[], effect: Effects, together = (_: Float32Array) => 0): TestedCircuit {
  const binarised = new Float32Array(layout.size);
  for (const at of circuit) binarised[at] = 1;
  const random = new Random(3);
  const size = Array.from({ length: PROMPTS }, () => 1 + random.uniform());
  const noise = Array.from({ length: PROMPTS }, () => random.normal());
  const total = (masks: Float32Array) =>
    masks.reduce((sum, mask, at) => sum + mask * effect(at), 0) + together(masks);
  const full = new Float32Array(layout.size).fill(1);
  const prompts = {
    length: PROMPTS,
    async score(masks: Float32Array, _call = {}, against = full): Promise<PromptScores> {
      const [own, other] = [total(masks), total(against)];
      const scores: PromptScores = recordOf(SCORES, () => new Float64Array(PROMPTS).fill(Number.NaN));
      // Noise that depends on the masks, so that two scores are never quite the same.
      const jitter = 1e-3 * Math.sin(1e3 * own);
      for (let i = 0; i < PROMPTS; i++) {
        scores.kl[i] = (own - other) ** 2 * size[i]!;
        scores.logit_diff[i] = own * size[i]! + jitter * noise[i]!;
        scores.full_logit_diff[i] = other * size[i]!;
      }
      return scores;
    },
    scoreEach: (all: readonly Float32Array[]) => Promise.all(all.map((masks) => prompts.score(masks))),
  };
  return { layout, masked: layout.components, binarised, prompts, some: prompts };
}

const settings = {
  draws: 60,
  seed: 1,
  alpha: 0.05,
  members: 12,
  permutations: 200,
  random: 6,
  heads: 20,
  steps: 2,
  candidates: 3,
};
const beside = { metrics: null, otherTask: null, lines: [] };

async function sheet(circuit: TestedCircuit): Promise<Record<LineId, Line>> {
  const { lines } = await judge(circuit, settings, beside);
  expect(lines.map(({ id }) => id)).toEqual([...LINES]);
  return Object.fromEntries(lines.map((line) => [line.id, line])) as Record<LineId, Line>;
}

const places = Array.from({ length: layout.size }, (_, at) => at);
/** Two directions of every component carry the task. */
const carrying = byComponent({ layout, masked: layout.components }, places).flatMap(({ directions }) =>
  directions.slice(0, 2),
);
const carries = new Set(carrying);

describe('the sheet', () => {
  it('speaks for a circuit that is all there is, and says what was not measured', async () => {
    const lines = await sheet(toy(carrying, (at) => Number(carries.has(at))));
    for (const id of LINES.slice(2, 9)) expect([id, lines[id].outcome]).toEqual([id, 'for']);
    for (const id of [
      'adversary',
      'other_task',
      'shuffled_weights',
      'found_again',
      'rival',
      'head_groups',
    ] as const)
      expect(lines[id]).toMatchObject({ outcome: 'missing', p: null, statistic: null });
    // 60 of 60 by chance .9^60, of five tests.
    const { p, correction, statistic, n } = lines.sufficiency;
    expect(p).toBeCloseTo(0.9 ** 60, 9);
    expect(correction).toMatchObject({ method: 'holm', tests: 5, p: expect.closeTo(5 * 0.9 ** 60, 9) });
    expect([statistic!.value, n!.value]).toEqual([60, 60]);
  });

  it('finds superfluous members, corrected for how many were tested', async () => {
    const spare = places.filter((at) => !carries.has(at)).slice(0, 8);
    const circuit = toy([...carrying, ...spare], (at) => (carries.has(at) ? 1 : 0.01 + 1e-4 * at));
    const { minimality } = await sheet(circuit);
    expect(minimality.outcome).toBe('against');
    expect(minimality.correction!.tests).toBe(12);
    const members = minimality.numbers.members as { direction: string; p: number; adjusted: number }[];
    expect(members.every(({ p, adjusted }) => adjusted >= p)).toBe(true);
    expect(minimality.claim).toContain('of 12 sampled members');
  });

  it('does not take a random set for a circuit', async () => {
    const random = new Random(5).sample(places, carrying.length);
    const lines = await sheet(toy(random, (at) => Number(carries.has(at))));
    expect(['against', 'open']).toContain(lines.sufficiency.outcome);
    expect(['against', 'open']).toContain(lines.necessity.outcome);
    expect(lines.sufficiency.correction!.p).toBeGreaterThan(0.05);
  });

  it('sees what makes up for damage', async () => {
    // Of what the circuit lacks, the rest supplies half.
    const backup = (masks: Float32Array) => {
      const lacking = carrying.filter((at) => masks[at] === 0).length;
      const there = masks.some((mask, at) => mask > 0 && !carries.has(at));
      return there ? lacking / 2 : 0;
    };
    const { knockouts } = await sheet(toy(carrying, (at) => Number(carries.has(at)), backup));
    expect(knockouts.outcome).toBe('against');
    expect(knockouts.p).toBeLessThan(0.05);
    const found = knockouts.numbers.knockouts as { sort: string; kl: number }[];
    // Chosen to be worst: a step of the search is none of the knockouts that are counted.
    expect(found.filter(({ sort }) => sort === 'greedy')).toHaveLength(2);
    expect(knockouts.n!.value).toBe(found.length - 2);
  });

  it('can be made again from its seed', async () => {
    const circuit = toy(carrying, (at) => Math.sin(at));
    expect(await judge(circuit, settings, beside)).toEqual(await judge(circuit, settings, beside));
  });

  it('draws nothing where there is nothing to draw', async () => {
    for (const circuit of [toy([], () => 1), toy(places, () => 1)]) {
      const lines = await sheet(circuit);
      expect(lines.sufficiency.outcome).toBe('missing');
      expect(lines.minimality.outcome).toBe('missing');
    }
    const most = places.slice(0, layout.size - 5);
    expect(
      await againstChance(
        toy(most, () => 1),
        'necessity_of_rest',
        settings,
        {},
      ),
    ).toBeNull();
  });

  it('stops when it is asked to', async () => {
    const controller = new AbortController();
    controller.abort();
    await expect(
      judge(
        toy(carrying, () => 1),
        settings,
        beside,
        { signal: controller.signal },
      ),
    ).rejects.toThrow('interrupted');
  });
});

describe('published mistakes', () => {
  const alpha = 0.05;

  it('equivalence takes the share of prompts, not a mean difference, and counts ties apart', () => {
    const model = new Array(100).fill(0);
    const circuit = model.map((_, i) => (i === 0 ? 1e6 : i % 2 === 0 ? 0.01 : -0.01));
    expect(equivalenceLine({ circuit, model, rest: model }, alpha).outcome).toBe('for');
    const above = equivalenceLine({ circuit: model.map(() => 1e-9), model, rest: model }, alpha);
    expect(above).toMatchObject({ outcome: 'against', statistic: { value: 0.5 } });
    const tied = equivalenceLine(
      { circuit: circuit.map((x, i) => (i < 40 ? 0 : x)), model, rest: model },
      alpha,
    );
    expect(tied).toMatchObject({ n: { value: 60 }, numbers: { ties: 40, share_above: 0.5 } });
  });

  it('what is won back is a ratio of means, which a prompt with nothing to win does not decide', () => {
    const nothing = Float64Array.of(1, 1, 1, 1e-9);
    const line = shuffledLine(
      {
        circuit: Float64Array.of(0.1, 0.1, 0.1, 0.1),
        nothing,
        shuffled: Float64Array.of(0.5, 0.5, 0.5, 0.5),
        shuffled_nothing: nothing,
        kept: 3,
      },
      { level: 0.95, resamples: 200, seed: 1 },
    );
    // The mean of ratios would be 1 − 2.5e7 and the like.
    expect(line.numbers.recovered).toBeCloseTo(1 - 0.4 / 3, 6);
    expect(line.numbers.shuffled_recovered).toBeCloseTo(1 - 2 / 3, 6);
  });

  it('several runs are several tests', () => {
    const runs = Array.from({ length: 10 }, (_, i) => ({ id: String(i), kept: 10, shared: 3 }));
    const line = foundAgainLine(runs, { kept: 10, directions: 100, alpha, file: 'sweep.json' });
    expect(line.p).toBeCloseTo(0.06, 2);
    expect(line.correction).toMatchObject({ tests: 10 });
    expect(line.correction!.p).toBeCloseTo(10 * line.p!, 9);
    expect(line.outcome).toBe('against');
    const better = runs.map((run) => ({ ...run, shared: 8 }));
    expect(foundAgainLine(better, { kept: 10, directions: 100, alpha, file: 'x' }).outcome).toBe('for');
  });

  it('another circuit is compared prompt by prompt', () => {
    const own = new Array(50).fill(0.01);
    const found = { source: 'task x', file: 'x', kept: 5, other_kept: 5, shared: 1, directions: 100, own };
    // A huge mean by one prompt says nothing of the others.
    const one = own.map((x, i) => (i === 0 ? 1000 : x - 0.001));
    const options = { alpha, corrected: 1, tests: 1 };
    expect(otherTaskLine({ ...found, other: one }, options)).toMatchObject({
      statistic: { value: 1 },
      n: { value: 50 },
      outcome: 'against',
    });
  });
});

it('random sets by component have the size of the circuit in each', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.nat(layout.size - 1), { minLength: 1 }), fc.nat(), (circuit, seed) => {
      const tested = toy(circuit, () => 1);
      const sizes = (set: readonly number[]) =>
        byComponent(tested, set).map(({ component, directions }) => [component, directions.length]);
      const drawn = drawByComponent(tested, new Random(seed));
      expect(sizes(drawn)).toEqual(sizes(sidesOf(tested).kept));
      expect(new Set(drawn).size).toBe(drawn.length);
    }),
  );
});

it('a stratified sample has its size, and each stratum its share', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(20), { minLength: 1, maxLength: 8 }), fc.nat(60), (sizes, most) => {
      const strata = sizes.map((size, at) => Array.from({ length: size }, (_, i) => `${at} ${i}`));
      const total = strata.flat().length;
      const sample = stratified(strata, most, new Random(1));
      expect(new Set(sample).size).toBe(sample.length);
      expect(sample.length).toBe(Math.min(total, most));
      for (const [at, size] of sizes.entries()) {
        const own = sample.filter((item) => item.startsWith(`${at} `)).length;
        expect(Math.abs(own - (size * sample.length) / Math.max(1, total))).toBeLessThanOrEqual(1);
      }
    }),
  );
});
