/** Streaming statistics in WebAssembly: byte for byte the plain reference's, in any order and any parts. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { InputError } from '../../src/errors.js';
import type { KernelVariant } from '../../src/kernels/instance.js';
import { loadKernels } from '../../src/kernels/kernels.js';
import { DirectionReader, readerKernels } from '../../src/score/direction-reader.js';
import {
  describePassage,
  describeRow,
  type LayerRows,
  PASSAGE_WORDS,
  ROW_WORDS,
} from '../../src/score/layer-rows.js';
import { mergeStates } from '../../src/score/merge-states.js';
import type { ReadingBasis } from '../../src/score/reading-basis.js';
import { referenceObserve } from '../../src/score/reference-statistics.js';
import { clearStates, type ExampleSizes, stateBytes, unitOf } from '../../src/score/statistics-state.js';

const SIZES: ExampleSizes = { examples: 3, context: 4 };

/** A prompt's values: [scored positions, directions]. */
interface Prompt {
  prompt: number;
  values: number[][];
}

/** Reads values as they are: the matrix is the identity. */
function identityBasis(directions: number, unit: number): ReadingBasis {
  const matrix = new Float32Array(directions * directions);
  for (let k = 0; k < directions; k++) matrix[k * directions + k] = 1;
  const units = new Float64Array(directions).fill(unit);
  return {
    name: 'L0.mlp_in',
    layer: 0,
    source: 'mlpInput',
    from: 0,
    width: directions,
    matrix,
    bias: null,
    units,
    keys: null,
  };
}

/** Prompts whose every token is scored; token t of prompt p has the id 100 p + t. */
function layerOf(prompts: readonly Prompt[], directions: number): LayerRows {
  const rows = prompts.flatMap(({ prompt, values }) => values.map((own, t) => ({ prompt, own, t })));
  const columns = Math.max(...prompts.map(({ values }) => values.length));
  const descriptions = new Int32Array(ROW_WORDS * rows.length);
  rows.forEach(({ prompt, t }, i) => {
    describeRow(descriptions, i, { prompt, position: t, token: i, before: t, scored: t });
  });
  const passages = new Int32Array(PASSAGE_WORDS * prompts.length);
  let row = 0;
  prompts.forEach(({ values }, at) => {
    const padding = columns - values.length;
    describePassage(passages, at, { first: padding, scored: padding, row, shift: -padding });
    row += values.length;
  });
  return {
    layer: 0,
    side: 'clean',
    rows: rows.length,
    batch: prompts.length,
    columns,
    lastOnly: false,
    sources: { mlpInput: Float32Array.from(rows.flatMap(({ own }) => own.slice(0, directions))) },
    descriptions,
    tokens: Int32Array.from(rows.map(({ prompt, t }) => 100 * prompt + t)),
    passages,
  };
}

async function wasmStates(
  variant: KernelVariant,
  parts: readonly (readonly Prompt[])[],
  directions: number,
  unit: number,
): Promise<Uint8Array> {
  const reader = new DirectionReader(await readerKernels(variant), [identityBasis(directions, unit)], SIZES);
  for (const part of parts) reader.read(layerOf(part, directions), false);
  const states = new Uint8Array(reader.savedBytes('clean'));
  reader.save('clean', states);
  return states;
}

function referenceStates(prompts: readonly Prompt[], directions: number, unit: number): Uint8Array {
  const each = stateBytes(SIZES);
  const states = new Uint8Array(directions * each);
  clearStates(states, SIZES);
  for (let k = 0; k < directions; k++) {
    const state = new DataView(states.buffer, k * each, each);
    for (const { prompt, values } of prompts)
      values.forEach((row, t) => {
        referenceObserve(state, unit, SIZES, {
          value: row[k]!,
          prompt,
          position: t,
          key: null,
          context: Array.from({ length: t + 1 }, (_, i) => 100 * prompt + i),
          values: values.slice(0, t + 1).map((earlier) => earlier[k]!),
        });
      });
  }
  return states;
}

const DIRECTIONS = 6;
/** Few different values, so that ties are common, beside any float of a wide range, zero and tiny ones. */
const value = fc
  .oneof(
    fc.constantFrom(0, 1, -1, 0.5, 2, -2),
    fc.float({ noNaN: true, min: Math.fround(-1e5), max: Math.fround(1e5) }),
    fc.float({ noNaN: true, min: Math.fround(-1e-6), max: Math.fround(1e-6) }),
  )
  // A product does not keep the sign of a zero.
  .map((x) => (x === 0 ? 0 : x));
const prompts = fc
  .array(
    fc.array(fc.array(value, { minLength: DIRECTIONS, maxLength: DIRECTIONS }), {
      minLength: 1,
      maxLength: 5,
    }),
    {
      minLength: 1,
      maxLength: 12,
    },
  )
  .map((all): Prompt[] => all.map((values, i) => ({ prompt: i + 1, values })));

const variants: KernelVariant[] =
  (await loadKernels()).variant === 'relaxed' ? ['simd', 'relaxed'] : ['simd'];

describe.each(variants)('statistics [%s]', (variant) => {
  it('are the reference’s, byte for byte', async () => {
    await fc.assert(
      fc.asyncProperty(prompts, async (all) => {
        const found = await wasmStates(variant, [all], DIRECTIONS, unitOf(1));
        expect(Buffer.from(found).equals(referenceStates(all, DIRECTIONS, unitOf(1)))).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  it('do not depend on order or on how values are cut into parts and joined', async () => {
    await fc.assert(
      fc.asyncProperty(prompts, fc.infiniteStream(fc.integer({ min: 0, max: 2 })), async (all, where) => {
        const whole = await wasmStates(variant, [all], DIRECTIONS, unitOf(1));
        const parts: Prompt[][] = [[], [], []];
        for (const one of [...all].reverse()) parts[where.next().value!]!.push(one);
        const filled = parts.filter((part) => part.length > 0);
        const inParts = await wasmStates(variant, filled, DIRECTIONS, unitOf(1));
        expect(Buffer.from(inParts).equals(whole)).toBe(true);
        const joined = new Uint8Array(whole.length);
        clearStates(joined, SIZES);
        for (const part of filled)
          mergeStates(joined, await wasmStates(variant, [part], DIRECTIONS, unitOf(1)), SIZES);
        expect(Buffer.from(joined).equals(whole)).toBe(true);
      }),
      { numRuns: 40 },
    );
  });

  it('are exact over many values of one large batch', async () => {
    const many = Array.from(
      { length: 700 },
      (_, i): Prompt => ({
        prompt: i + 1,
        values: [Array.from({ length: DIRECTIONS }, (_, k) => Math.fround(Math.sin(i * (k + 1)) * 3))],
      }),
    );
    const found = await wasmStates(variant, [many], DIRECTIONS, unitOf(0.01));
    expect(Buffer.from(found).equals(referenceStates(many, DIRECTIONS, unitOf(0.01)))).toBe(true);
  });

  it('refuse values that are not finite', async () => {
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      const one = [{ prompt: 1, values: [[1, 2, bad, 4, 5, 6]] }];
      await expect(wasmStates(variant, [one], DIRECTIONS, 1)).rejects.toThrow(InputError);
    }
  });
});
