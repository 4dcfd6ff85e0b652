import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type EngineMemory, engineMemory } from '../../src/engine/memory.js';
import { InputError } from '../../src/errors.js';
import { MaskLayout } from '../../src/forward/layout.js';
import type { Masking } from '../../src/forward/masking-rules.js';
import { FULL_PASSES } from '../../src/forward/passes.js';
import { trainingFlops, trainingMemory } from '../../src/masks/training-cost.js';
import { planProcesses, planTraining } from '../../src/masks/training-plan.js';
import type { Kind } from '../../src/models/components.js';
import { GPT2_SMALL, LLAMA_3B } from '../support/architectures.js';

const masking: Masking = {
  architecture: GPT2_SMALL,
  layout: new MaskLayout(GPT2_SMALL),
  positions: 'last',
};
/** No QK: what is before the last position stays as it is. */
const fixedPast: Masking = {
  ...masking,
  layout: new MaskLayout(GPT2_SMALL, ['ov', 'mlp_in', 'mlp_out']),
};
const request = { masking, lengths: new Array<number>(1000).fill(18), batchSize: 64 };

it('counts the operations of the published step as the paper of the method needs them', () => {
  expect(trainingFlops(masking, 64 * 18, 64, FULL_PASSES).step / 1e12).toBeCloseTo(0.39, 1);
});

it('without a limit takes a batch at once, in as many threads as were asked for', () => {
  const plan = planTraining({ ...request, engine: engineMemory('wasm'), limit: null, workers: 2 });
  expect(plan.workers).toBe(2);
  expect(plan.passes).toEqual({ train: 32 * 18, forward: FULL_PASSES.forward, keepPast: false });
});

it('stays within any limit that it accepts, and asks for less as the limit falls', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1e8, max: 2e10 }),
      fc.integer({ min: 1, max: 4 }),
      fc.constantFrom('wasm', 'native-cpu'),
      (limit, workers, name) => {
        const engine = engineMemory(name);
        const plan = (bytes: number) => planTraining({ ...request, engine, limit: bytes, workers });
        try {
          const { memory, passes, workers: used } = plan(limit);
          expect(memory).toBeLessThanOrEqual(limit);
          expect(passes.train).toBeGreaterThanOrEqual(18);
          const more = plan(2 * limit);
          expect(more.workers).toBeGreaterThanOrEqual(used);
          if (more.workers === used) expect(more.passes.train).toBeGreaterThanOrEqual(passes.train);
        } catch (error) {
          if (!(error instanceof InputError)) throw error;
          expect(error.message).toMatch(/^--memory .* one prompt of 18 tokens needs .* more; raise it/);
          const { weights } = trainingMemory(masking, engine, 18);
          expect(limit).toBeLessThan(weights + 2e9);
        }
      },
    ),
  );
});

it('gives up threads before it gives up', () => {
  const engine = engineMemory('wasm');
  const alone = planTraining({ ...request, engine, limit: null, workers: 1 });
  const plan = planTraining({ ...request, engine, limit: alone.memory, workers: 4 });
  expect(plan.workers).toBe(1);
});

it('counts more where every position is masked', () => {
  const all: Masking = { ...masking, positions: 'all' };
  const engine = engineMemory('native-cpu');
  expect(trainingMemory(all, engine, 18).token).toBeGreaterThan(trainingMemory(masking, engine, 18).token);
  const step = (of: Masking) => trainingFlops(of, 1152, 64, FULL_PASSES).step;
  expect(step(all)).toBeGreaterThan(step(masking));
});

it('keeps pasts where no mask reaches them, within half of what one thread leaves of the limit', () => {
  const engine = engineMemory('native-cpu');
  const plan = (limit: number | null, of = fixedPast) =>
    planTraining({ ...request, masking: of, engine, limit, workers: 1 });
  // 1,000 prompts of 17 positions before the last, keys and values of 12 layers.
  const bytes = 1000 * 17 * 2 * 12 * 768 * 4;
  expect(plan(null, masking).passes.keepPast).toBe(false);
  expect(plan(null).passes.keepPast).toBe(true);
  expect(plan(8e9).passes.keepPast).toBe(true);
  expect(plan(8e9).memory).toBeGreaterThan(bytes);
  fc.assert(
    fc.property(fc.integer({ min: 2e9, max: 2e10 }), (limit) => {
      const { memory, passes } = plan(limit);
      expect(memory).toBeLessThanOrEqual(limit);
      if (passes.keepPast) expect(limit).toBeGreaterThan(2 * bytes);
      if (passes.keepPast) expect(plan(2 * limit).passes.keepPast).toBe(true);
    }),
  );
});

it('counts what a step leaves out where the past is fixed, and more where it is kept', () => {
  const step = (of: Masking, keepPast: boolean) => trainingFlops(of, 1152, 64, { keepPast }).step;
  expect(step(fixedPast, false)).toBeLessThan(0.65 * step(masking, false));
  expect(step(fixedPast, true)).toBeLessThan(0.25 * step(fixedPast, false));
});

it('plans for each process as for one that has its share of a batch, the limit to itself, and no pasts', () => {
  const one = { ...request, masking: fixedPast, engine: engineMemory('native-gpu'), limit: 8e9 };
  const plan = planProcesses({ ...one, workers: 4 });
  expect(plan).toMatchObject({ workers: 4, passes: { train: 16 * 18, keepPast: false } });
  const alone = planTraining({ ...one, workers: 1 });
  expect(alone.passes.keepPast).toBe(true);
  expect(plan.memory).toBeLessThan(alone.memory);
  expect(() => planProcesses({ ...one, limit: 5e8, workers: 4 })).toThrow(
    /--memory 500 MB: one prompt of 18/,
  );
});

describe('of a model of 3 billion parameters on 24 GB', () => {
  const engine = { ...engineMemory('native-cpu'), machine: 24e9 };
  const plan = (kinds?: Kind[], limit: number | null = null, on: EngineMemory = engine) =>
    planTraining({
      ...request,
      masking: { architecture: LLAMA_3B, layout: new MaskLayout(LLAMA_3B, kinds), positions: 'last' },
      engine: on,
      limit,
      workers: 1,
    });

  it('refuses what does not fit, with what is missing and the kinds that do fit', () => {
    const refusal = errorOf(() => plan());
    const [, needs, more] = /needs ([\d.]+) GB with this model, ([\d.]+) GB more/.exec(refusal)!;
    expect(refusal).toMatch(/^the memory of this machine, 24.0 GB: one prompt of 18 tokens needs/);
    expect(Number(needs) - Number(more)).toBeCloseTo(24, 0);
    const [, kinds, theirs] = /train masks of --components (\S+) alone, which need ([\d.]+) GB$/.exec(
      refusal,
    )!;
    const { memory } = plan(kinds!.split(',') as Kind[]);
    expect(memory).toBeLessThanOrEqual(24e9);
    expect(memory).toBeGreaterThanOrEqual(Number(theirs) * 1e9 - 1e8);
  });

  it('takes what is asked for by its word, be it more than there is', () => {
    expect(plan(undefined, 64e9).memory).toBeGreaterThan(24e9);
    expect(errorOf(() => plan(undefined, 30e9))).toMatch(
      /^--memory 30.0 GB: .* more; raise it, or train masks of /,
    );
    expect(errorOf(() => plan(undefined, 1e9))).toMatch(/ more; raise it$/);
  });

  it('refuses what an engine cannot address, however much there is', () => {
    const wasm = { ...engineMemory('wasm'), machine: 1e12 };
    expect(errorOf(() => plan(undefined, null, wasm))).toMatch(
      /^what this engine can address, 4.44 GB: .* more; use --engine native-cpu$/,
    );
  });

  it('says so where nothing helps', () => {
    const small = { ...engine, machine: 4e9 };
    expect(errorOf(() => plan(undefined, null, small))).toMatch(/ more; no part of it would fit$/);
  });
});

function errorOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof InputError) return error.message;
    throw error;
  }
  throw new Error('was not refused');
}
