/** Faithfulness against size on a model that is a sum: areas and intervals are known. */
import { expect, it } from 'vitest';
import { recordOf, SCORES } from '../../src/evaluate/metrics.js';
import type { PromptScores } from '../../src/evaluate/prompt-scores.js';
import { ordersOf } from '../../src/evidence/methods.js';
import { cutAt, SizeCurves } from '../../src/evidence/size-curves.js';
import type { LongCall, ProgressEvent } from '../../src/progress.js';
import { areas, itemsAt, SIZES } from '../../src/statistics/faithfulness.js';

const DIRECTIONS = 200;
const PROMPTS = 30;
/** What each direction adds to the logit difference; some take away. */
const effect = (at: number) => (at < 10 ? 1 : at < 14 ? -0.5 : 0);
const whole = 8;

/** @param rare prompts on which the model does nothing of note */
function prompts(rare = 0) {
  const asked: number[] = [];
  return {
    asked,
    length: PROMPTS,
    async score(masks: Float32Array, { onProgress }: LongCall = {}): Promise<PromptScores> {
      for (const done of [10, 20, PROMPTS]) onProgress?.({ stage: 'score', done, total: PROMPTS });
      asked.push(masks.reduce((sum, mask) => sum + mask, 0));
      const sum = masks.reduce((total, mask, at) => total + mask * effect(at), 0);
      const scores = recordOf(SCORES, () => new Float64Array(PROMPTS));
      for (let i = 0; i < PROMPTS; i++) {
        const size = i < rare ? 1e-9 : 1 + i / PROMPTS;
        scores.logit_diff[i] = 3 + sum * size + (i < rare ? Number(sum !== whole) : 0);
        scores.full_logit_diff[i] = 3 + whole * size;
        scores.kl[i] = Math.abs(sum - whole);
      }
      return scores;
    },
  };
}

const settings = { directions: DIRECTIONS, ownSize: 10, level: 0.95, resamples: 100, seed: 1 };
const cost = { seconds: 0, forwards: 0, gradients: 0 };
const effects = Float64Array.from({ length: DIRECTIONS }, (_, at) => effect(at));

async function curvesOf(on = prompts()) {
  return new SizeCurves(on, settings, await on.score(new Float32Array(DIRECTIONS)), true);
}

it('f and its areas are those of the definition, for either ranking', async () => {
  const curves = await curvesOf();
  const named = ordersOf({ id: 'attribution', scores: [effects], cost }, []);
  expect(named.map(({ ranking }) => ranking)).toEqual(['signed', 'absolute']);
  const found = await Promise.all(named.map(({ orders }) => curves.measure(orders, 'cut', {})));
  for (const [i, { orders }] of named.entries()) {
    const f = SIZES.map((size) => {
      const kept = cutAt(orders[0]!, itemsAt(size, DIRECTIONS));
      return kept.reduce((sum, at) => sum + effect(at), 0) / whole;
    });
    const { cuts, cpr, cmd } = found[i]!;
    expect(cuts.map(({ size }) => size)).toEqual([...SIZES, null]);
    cuts.slice(0, -1).forEach((cut, at) => {
      expect(cut.f).toBeCloseTo(f[at]!, 9);
      expect(cut.kept).toBe(itemsAt(SIZES[at]!, DIRECTIONS));
    });
    expect(cpr!.value).toBeCloseTo(areas(SIZES, f).cpr, 9);
    expect(cmd!.value).toBeCloseTo(areas(SIZES, f).cmd, 9);
    // No prompt differs from another in what a circuit keeps of it.
    expect(cmd!.confidence![0]).toBeCloseTo(cmd!.value, 9);
  }
  // Signed, all that push come first, and what takes away from it last; its f is above 1 for long.
  expect(found[0]!.cmd!.value).toBeGreaterThan(found[1]!.cmd!.value);
  expect(found[0]!.cuts.at(-1)).toMatchObject({ size: null, kept: 10, kl: 2, f: expect.closeTo(10 / 8, 9) });
});

it('is heard of while a cut is scored, too', async () => {
  const order = [...effects.keys()].map((at) => [at]);
  const shares: number[] = [];
  const onProgress = ({ stage, done, total, share }: ProgressEvent) => {
    expect([stage, total]).toEqual(['cut', SIZES.length + 1]);
    shares.push(share ?? done / total);
  };
  await (await curvesOf()).measure([order, order.toReversed()], 'cut', { onProgress });
  expect(shares).toEqual(shares.toSorted((a, b) => a - b));
  // A cut that is scored anew is heard of three times in each of two orders.
  const cuts = shares.map((share) => share * (SIZES.length + 1));
  const within = cuts.filter((cut) => Math.abs(cut - Math.round(cut)) > 1e-9);
  expect(within.slice(0, 5).map((cut) => Math.round(6 * (cut % 1)))).toEqual([1, 2, 3, 4, 5]);
  expect(shares.at(-1)).toBe(1);
});

it('a few prompts with nothing to gain decide nothing', async () => {
  const f = async (rare: number) => {
    const curves = await curvesOf(prompts(rare));
    const { cuts } = await curves.measure([[...effects.keys()].map((at) => [at])], 'cut', {});
    return cuts[6]!.f!;
  };
  expect(Math.abs((await f(2)) - (await f(0)))).toBeLessThan(0.05);
});

it('keeps whole heads that fit, and no part of one', () => {
  const heads = [[0, 1, 2], [3, 4], [5]];
  expect(cutAt(heads, 4)).toEqual([0, 1, 2]);
  expect(cutAt(heads, 5)).toEqual([0, 1, 2, 3, 4]);
  expect(cutAt(heads, 2)).toEqual([]);
  const { orders } = ordersOf({ id: 'patching_heads', scores: [[-2, 1, 0]], cost }, heads)[1]!;
  expect(orders[0]).toEqual([heads[0], heads[1], heads[2]]);
});

it('measures nothing kept and everything kept once, and averages over draws', async () => {
  const on = prompts();
  const curves = await curvesOf(on);
  const forwards = [...effects.keys()].map((at) => [at]);
  const { cuts } = await curves.measure([forwards, [...forwards].reverse()], 'cut', {});
  expect(on.asked.filter((kept) => kept === 0 || kept === DIRECTIONS)).toHaveLength(2);
  expect(cuts.find(({ size }) => size === 0.05)!.f).toBeCloseTo((10 / 8 + 0) / 2, 9);
});
