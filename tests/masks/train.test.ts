import { describe, expect, it } from 'vitest';
import { InterruptedError } from '../../src/errors.js';
import { MOST_CUTS } from '../../src/masks/cut.js';
import { validations } from '../../src/masks/schedule.js';
import { type HistoryLine, type MaskObjective, trainMasks } from '../../src/masks/train.js';
import type { TrainState } from '../../src/masks/train-state.js';
import { PRESETS, type TrainSettings } from '../../src/settings/train-settings.js';

const DIRECTIONS = 12;

/** Direction k is worth 1/(k+1) nats, less for every odd pair: separable, so that the best circuit is known. */
const objective: MaskObjective = {
  directions: DIRECTIONS,
  pairs: 10,
  async evaluate(indices, masks) {
    const odd = indices.filter((index) => index % 2).length / indices.length;
    const worth = (k: number) => (1 - 0.1 * odd) / (k + 1);
    const kl = masks.reduce((sum, mask, k) => sum + worth(k) * (1 - mask), 0);
    return { kl, loss: kl, gradient: masks.map((_, k) => -worth(k)) };
  },
  async validate(masks) {
    return masks.reduce((sum, mask, k) => sum + (1 - mask) / (k + 1), 0);
  },
};

const settings: TrainSettings = {
  ...PRESETS.default,
  l1: 0.2,
  roundingL1: 0.2,
  batchSize: 4,
  steps: 120,
  validateEvery: 10,
  roundingSteps: 40,
};

async function record(
  changes: Partial<TrainSettings> = {},
  seed = 0,
  resume?: TrainState,
  stopAfter?: number,
) {
  const history: HistoryLine[] = [];
  const states: TrainState[] = [];
  const abort = new AbortController();
  const result = await trainMasks(
    objective,
    { ...settings, ...changes },
    seed,
    {
      signal: abort.signal,
      onHistory: (line) => {
        history.push(line);
        if (stopAfter !== undefined && history.filter(({ validation }) => !validation).length >= stopAfter)
          abort.abort();
      },
      onCheckpoint: async (state) => void states.push(structuredClone(state)),
    },
    resume,
  ).catch((error) => {
    if (error instanceof InterruptedError) return null;
    throw error;
  });
  return { result, history, states };
}

it('keeps the directions that are worth their price, and rounds to 0 or 1', async () => {
  const { result } = await record();
  expect(Array.from(result!.masks)).toEqual(
    Array.from({ length: DIRECTIONS }, (_, k) => Number(1 / (k + 1) > 0.2)),
  );
  expect(result!.soft.some((mask) => mask > 0 && mask < 1)).toBe(true);
});

it('validates as often as is counted before', async () => {
  for (const changes of [{}, { validateEvery: 7 }, { roundingSteps: 0 }, { steps: 3, validateEvery: 4 }]) {
    const { history } = await record(changes);
    const found = history.filter(({ validation, cut }) => validation && cut === undefined).length;
    expect(found).toBe(validations({ ...settings, ...changes }, objective.pairs));
  }
});

it('repeats itself with the same seed and differs with another', async () => {
  const curve = async (seed: number) => (await record({}, seed)).history.map(({ kl, l1 }) => [kl, l1]);
  const first = await curve(3);
  expect(await curve(3)).toEqual(first);
  expect(await curve(4)).not.toEqual(first);
});

it('interrupted anywhere and resumed, gives what one run gives', async () => {
  const whole = await record();
  const steps = whole.history.filter(({ validation }) => !validation);
  for (const stop of [1, 37, 119, 120, 121, 150]) {
    const first = await record({}, 0, undefined, stop);
    expect(first.result, `stopped after ${stop}`).toBeNull();
    const second = await record({}, 0, first.states.at(-1));
    const joined = [...first.history, ...second.history].filter(({ validation }) => !validation);
    expect(joined.map(({ kl, l1, step }) => [step, kl, l1])).toEqual(
      steps.map(({ kl, l1, step }) => [step, kl, l1]),
    );
    expect(second.result!.masks).toEqual(whole.result!.masks);
  }
});

it('follows the reference schedule: moments forgotten with every batch, two epochs, stop at the thresholds', async () => {
  const reference = { ...PRESETS.reference, batchSize: 4, validateEvery: 5, stepsPerBatch: 5, stopKl: null };
  const { history, states } = await record(reference);
  expect(history.filter(({ validation }) => !validation)).toHaveLength(2 * 3 * 5);
  expect(states.map(({ optimiser }) => optimiser.steps)).toContain(5);
  expect(Math.max(...states.map(({ optimiser }) => optimiser.steps))).toBe(5);
  const stopped = await record({ ...reference, stopKl: 1, stopL1: 100 });
  expect(stopped.history.filter(({ validation }) => !validation)).toHaveLength(5);
});

it('raises λ linearly over the warm-up', async () => {
  const { history } = await record({ l1Warmup: 0.5, roundingSteps: 0 });
  const prices = history.filter(({ validation }) => !validation).map(({ l1_weight }) => l1_weight);
  expect(prices[0]).toBe(0);
  expect(prices[30]).toBeCloseTo(0.1, 12);
  expect(prices[60]).toBeCloseTo(0.2, 12);
  expect(prices[119]).toBeCloseTo(0.2, 12);
});

it('raises it anew in the rounding phase, over its own warm-up', async () => {
  const { history } = await record({ roundingL1: 0.4, roundingL1Warmup: 0.5 });
  const prices = history
    .filter(({ validation, phase }) => !validation && phase === 'rounding')
    .map(({ l1_weight }) => l1_weight);
  expect(prices).toHaveLength(40);
  for (const [step, share] of [0, 0.25, 0.5, 0.75, 1].entries())
    expect(prices[5 * step]).toBeCloseTo(0.4 * share, 12);
  expect(prices[39]).toBeCloseTo(0.4, 12);
});

it('without a rounding phase returns the best soft masks', async () => {
  const { result, states } = await record({ roundingSteps: 0 });
  expect(result!.masks).toEqual(result!.soft);
  expect(states.at(-1)!.phase).toBe('rounding');
});

it('stops early when validation no longer improves', async () => {
  const { history } = await record({ patience: 2, lr: 1e-12 });
  expect(history.filter(({ phase, validation }) => phase === 'soft' && !validation).length).toBe(30);
});

it('ends with the masks that met the stop rule, whatever was better in the sum before', async () => {
  let validations = 0;
  const rising: MaskObjective = { ...objective, validate: async () => 5 * validations++ };
  const changes = { lr: 0.3, roundingSteps: 0, stopKl: 1000, stopL1: 6, validateEvery: 1 };
  const { masks, steps } = await trainMasks(rising, { ...settings, ...changes }, 0);
  expect(validations).toBeGreaterThan(2);
  expect(steps).toBeLessThan(settings.steps!);
  expect(masks.reduce((sum, mask) => sum + mask, 0)).toBeLessThan(6);
});

it('leaves frozen masks at 0 through both phases', async () => {
  const frozen = Uint8Array.from({ length: DIRECTIONS }, (_, k) => Number(k === 1 || k > 2));
  const used: Float32Array[] = [];
  const watched: MaskObjective = {
    ...objective,
    frozen,
    evaluate: (indices, masks) => {
      used.push(masks);
      return objective.evaluate(indices, masks);
    },
  };
  const { masks, soft } = await trainMasks(watched, settings, 0);
  expect(used.length).toBe(settings.steps! + settings.roundingSteps);
  for (const some of [...used, masks, soft])
    expect(some.every((mask, k) => !frozen[k] || mask === 0)).toBe(true);
  expect(Array.from(masks.subarray(0, 3))).toEqual([1, 0, 1]);
});

it.each([
  ['soft', { lr: 0.1, lrDecay: 0, steps: 11 }],
  ['rounding', { roundingLr: 0.1, roundingDecay: 0, roundingSteps: 11 }],
] as const)('lets the rate of the %s phase fall to the share that is asked for', async (wanted, changes) => {
  const { states } = await record({ ...changes, validateEvery: 1 });
  const logits = states.filter(({ phase }) => phase === wanted).map((state) => state.logits[0]!);
  const moves = logits.slice(1, 12).map((logit, i) => Math.abs(logit - logits[i]!));
  expect(moves[0]).toBeGreaterThan(0.05);
  expect(moves.at(-1)).toBe(0);
  expect(moves[5]).toBeLessThan(moves[0]!);
});

describe('cut on the validation pairs', () => {
  /** Directions 0 to 2 are needed together, and at a third of themselves as good as whole: their masks end below ½. */
  const sure: MaskObjective = {
    directions: 6,
    pairs: 10,
    async evaluate(_, masks) {
      const least = Math.min(masks[0]!, masks[1]!, masks[2]!);
      const short = Math.max(0, 0.3 - least);
      const gradient = new Float32Array(6);
      if (short > 0) gradient.fill(-10, 0, 3);
      return { kl: 10 * short, loss: 10 * short, gradient };
    },
    validate: async (masks) => 10 * Math.max(0, 0.3 - Math.min(masks[0]!, masks[1]!, masks[2]!)),
  };
  const how = { ...settings, roundingLr: 0.02 };

  it('keeps what is needed at less than half, which the cut at ½ drops', async () => {
    const half = await trainMasks(sure, { ...how, cut: 'half', roundingSteps: 1 }, 0);
    expect(Array.from(half.soft.subarray(0, 3), (mask) => mask < 0.5)).toEqual([true, true, true]);
    expect(Array.from(half.masks)).toEqual([0, 0, 0, 0, 0, 0]);
    const lines: HistoryLine[] = [];
    const onHistory = (line: HistoryLine) => void lines.push(line);
    const found = await trainMasks(sure, { ...how, cut: 'validation' }, 0, { onHistory });
    expect(Array.from(found.masks)).toEqual([1, 1, 1, 0, 0, 0]);
    expect(found.soft).toEqual(half.soft);
    const cuts = lines.filter((line) => line.cut !== undefined);
    expect(cuts).toHaveLength(1);
    expect(cuts[0]).toMatchObject({ phase: 'rounding', validation: true, step: how.steps, kl: 0, l1: 3 });
    expect(cuts[0]!.cut).toBeLessThan(half.soft[0]!);
  });

  it('measures cuts on the pairs that are enough for it, and all else on all', async () => {
    const cuts: Float32Array[] = [];
    const validated: Float32Array[] = [];
    const watched: MaskObjective = {
      ...sure,
      validate: (masks) => {
        validated.push(masks);
        return sure.validate(masks);
      },
      compareCuts: (masks) => {
        cuts.push(masks);
        return sure.validate(masks);
      },
    };
    const lines: HistoryLine[] = [];
    const onHistory = (line: HistoryLine) => void lines.push(line);
    const found = await trainMasks(watched, { ...how, cut: 'validation' }, 0, { onHistory });
    expect(found).toEqual(await trainMasks(sure, { ...how, cut: 'validation' }, 0));
    // At least the cut at ½, which drops all, and the one that keeps what is needed.
    expect(cuts.length).toBeGreaterThanOrEqual(2);
    expect(cuts.length).toBeLessThanOrEqual(MOST_CUTS);
    expect(validated).toHaveLength(
      lines.filter(({ validation, cut }) => validation && cut === undefined).length,
    );
  });

  it('interrupted anywhere and resumed, gives what one run gives, and leaves frozen masks alone', async () => {
    const frozen = Uint8Array.of(0, 0, 0, 0, 0, 1);
    const states: TrainState[] = [];
    const cut = { ...how, cut: 'validation' } as const;
    const whole = await trainMasks({ ...sure, frozen }, cut, 0, {
      onCheckpoint: async (state) => void states.push(structuredClone(state)),
    });
    for (const state of states) {
      if (state.phase === 'rounding') expect(state.logits[5]).toBe(Number.NEGATIVE_INFINITY);
      expect(await trainMasks({ ...sure, frozen }, cut, 0, {}, structuredClone(state))).toEqual(whole);
    }
  });

  it('ends between two circuits where it is interrupted', async () => {
    const abort = new AbortController();
    let cuts = 0;
    const hooks = {
      signal: abort.signal,
      onProgress: ({ stage }: { stage: string }) => {
        if (stage === 'cut' && ++cuts === 3) abort.abort();
      },
    };
    await expect(trainMasks(sure, { ...how, cut: 'validation' }, 0, hooks)).rejects.toThrow(InterruptedError);
    expect(cuts).toBe(3);
  });
});

describe('against an adversary', () => {
  /** Directions 0 and 1 cancel each other, as the full model has them; 2 is needed; the others do nothing. */
  const cancelling: MaskObjective = {
    directions: 8,
    pairs: 10,
    async evaluate(_, masks) {
      const apart = masks[0]! - masks[1]!;
      const missing = 1 - masks[2]!;
      const kl = 2 * apart ** 2 + missing;
      const gradient = new Float32Array(8);
      gradient.set([4 * apart, -4 * apart, -1]);
      return { kl, loss: kl, gradient };
    },
    validate: async (masks) => 2 * (masks[0]! - masks[1]!) ** 2 + 1 - masks[2]!,
  };
  const robust: TrainSettings = { ...settings, l1: 0.1, roundingL1: 0.1, adversary: 0.5, roundingLr: 0.05 };

  it('keeps what cancels in the full model, which training without one leaves out', async () => {
    const plain = await trainMasks(cancelling, { ...robust, adversary: 0 }, 0);
    expect(Array.from(plain.masks)).toEqual([0, 0, 1, 0, 0, 0, 0, 0]);
    for (let seed = 0; seed < 5; seed++) {
      const { masks } = await trainMasks(cancelling, robust, seed);
      expect(Array.from(masks), `seed ${seed}`).toEqual([1, 1, 1, 0, 0, 0, 0, 0]);
    }
  });

  it('runs each pair of a batch once: a part at the shares, the others at the masks', async () => {
    for (const [batchSize, adversaryPart, own, put] of [
      [4, 0.5, 2, 2],
      [10, 0.3, 7, 3],
      [4, 0.01, 3, 1],
      [4, 0.99, 1, 3],
      [1, 0.5, 1, 1],
    ] as const) {
      const passes: (readonly number[])[] = [];
      const watched: MaskObjective = {
        ...cancelling,
        pairs: 20,
        evaluate: (indices, masks) => {
          passes.push(indices);
          return cancelling.evaluate(indices, masks);
        },
      };
      const how = { ...robust, batchSize, adversaryPart, steps: 5, roundingSteps: 0 };
      await trainMasks(watched, how, 0);
      expect(passes).toHaveLength(10);
      for (let step = 0; step < 5; step++) {
        const [first, second] = passes.slice(2 * step);
        expect([first!.length, second!.length]).toEqual([own, put]);
        // A single pair is in both.
        expect(new Set([...first!, ...second!]).size).toBe(batchSize);
      }
    }
  });

  it('ends with the masks that are best by their KL and by that at the shares together', async () => {
    const lines: HistoryLine[] = [];
    const judged: Float32Array[] = [];
    // The worse the later, at the shares alone.
    const worsening: MaskObjective = {
      ...cancelling,
      validate: async (masks) => {
        judged.push(masks);
        return judged.length % 2 ? 0 : judged.length;
      },
    };
    const how = { ...robust, cut: 'half', roundingLr: 0.5, validateEvery: 5 } as const;
    const onHistory = (line: HistoryLine) => void lines.push(line);
    const { masks, soft } = await trainMasks(worsening, how, 0, { onHistory });
    const validations = lines.filter(({ validation }) => validation);
    validations.forEach(({ kl, adversarial_kl, l1, loss, l1_weight }, at) => {
      expect([kl, adversarial_kl]).toEqual([0, 2 * (at + 1)]);
      expect(loss).toBeCloseTo(0.5 * adversarial_kl! + l1_weight * l1, 6);
    });
    const rounding = validations.findIndex(({ phase }) => phase === 'rounding');
    expect(soft).toEqual(judged[0]);
    expect(masks).toEqual(judged[2 * rounding]);
  });

  it('interrupted anywhere and resumed, gives what one run gives', async () => {
    const states: TrainState[] = [];
    const onCheckpoint = async (state: TrainState) => void states.push(structuredClone(state));
    const often = {
      ...robust,
      validateEvery: 7,
      adversaryRestart: 10,
      roundingGamma: [1, 0.1] as [number, number],
    };
    const whole = await trainMasks(cancelling, often, 4, { onCheckpoint });
    for (const state of states) {
      const resumed = await trainMasks(cancelling, often, 4, {}, structuredClone(state));
      expect(resumed).toEqual(whole);
    }
  });

  it('runs every second pass at shares within their cap, which move by a step and are drawn anew', async () => {
    const passes: Float32Array[] = [];
    const watched: MaskObjective = {
      ...cancelling,
      evaluate: (indices, masks) => {
        passes.push(masks);
        return cancelling.evaluate(indices, masks);
      },
    };
    const bounded = { ...robust, adversaryCap: 0.2, adversaryStep: 0.25, adversaryRestart: 20 };
    await trainMasks(watched, bounded, 0);
    const rounding = passes.slice(2 * bounded.steps!);
    expect(rounding).toHaveLength(2 * bounded.roundingSteps);
    const shareOf = (step: number, at: number) => rounding[2 * step + 1]![at]!;
    for (let step = 0; step < bounded.roundingSteps; step++) {
      const [own, put] = rounding.slice(2 * step);
      own!.forEach((mask, at) => {
        if (mask === 1) expect(put![at]).toBe(1);
        else expect(put![at]).toBeLessThanOrEqual(Math.fround(0.2));
      });
      // What has no slope stays until shares are drawn anew.
      if (step % 20 > 0) expect(shareOf(step, 7)).toBe(shareOf(step - 1, 7));
    }
    expect(shareOf(20, 7)).not.toBe(shareOf(19, 7));
  });
});

it('with a smooth price no longer presses on what it keeps', async () => {
  const worthLess = (price: Partial<TrainSettings>) =>
    record({ l1: 0, roundingL1: 0.4, roundingSteps: 300, ...price });
  const linear = await worthLess({});
  const smooth = await worthLess({ roundingGamma: [0.05, 0.05] });
  const kept = ({ result }: Awaited<ReturnType<typeof record>>) =>
    result!.masks.reduce((sum, mask) => sum + mask, 0);
  expect(kept(linear)).toBeLessThan(kept(smooth));
});
