/** Attention against its definition in plain loops, and its gradients by queries, keys and values. */
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import {
  attend,
  attendInOnePass,
  attendInOnePassPull,
  attendPull,
  attendsSideBySide,
  type Heads,
  mergeHeads,
  repeatHeads,
  repeatHeadsPull,
  splitHeads,
} from '../../../src/engine/ops/attention.js';
import { tidy } from '../../../src/engine/ops/tidy.js';
import { describeOnEngines } from '../../support/engines.js';
import { dot, expectClose, normals, resultsOf, rowsIn, slopes } from '../../support/operations.js';
import { capped, softmax } from '../../support/reference-forward.js';

const HIDDEN = -1e9;

interface Shape {
  heads: number;
  batch: number;
  keys: number;
  /** The last positions ask. */
  queries: number;
  width: number;
  dHead: number;
}

/** z of each head, prompt and query, from q·k scores that the bias hides, one at a time. */
function definition(
  { heads, batch, keys, queries, width, dHead }: Shape,
  [q, k, v]: number[][],
  bias: number[],
  scale: number,
  cap: number | undefined,
): number[] {
  const [qs, ks, vs] = [rowsIn(q!, width), rowsIn(k!, width), rowsIn(v!, dHead)];
  return Array.from({ length: heads * batch }, (_, at) => at).flatMap((at) =>
    Array.from({ length: queries }, (_, query) => query).flatMap((query) => {
      const scores = Array.from(
        { length: keys },
        (_, key) =>
          capped(scale * dot(qs[at * queries + query]!, ks[at * keys + key]!), cap) +
          bias[((at % batch) * queries + query) * keys + key]!,
      );
      const weights = softmax(scores);
      return Array.from({ length: dHead }, (_, d) =>
        weights.reduce((sum, weight, key) => sum + weight * vs[at * keys + key]![d]!, 0),
      );
    }),
  );
}

describeOnEngines('attention', () => {
  it('gives z, and the gradients of what may move', () => {
    fc.assert(
      fc.property(
        fc.record({
          heads: fc.integer({ min: 1, max: 2 }),
          batch: fc.integer({ min: 1, max: 2 }),
          keys: fc.integer({ min: 1, max: 9 }),
          queries: fc.integer({ min: 1, max: 9 }),
          width: fc.integer({ min: 1, max: 3 }),
          dHead: fc.integer({ min: 1, max: 3 }),
        }),
        fc.constantFrom(undefined, 1.5),
        fc.nat(4),
        // In one piece, by a query at a time, and by two or three.
        fc.constantFrom(undefined, 1, 24),
        fc.nat(1000),
        (sizes, cap, still, most, seed) => {
          const shape = { ...sizes, queries: Math.min(sizes.queries, sizes.keys) };
          const { heads, batch, keys, queries, width, dHead } = shape;
          const moving = Math.max(0, keys - still);
          const scale = 0.7;
          const shapes: [number, number, number, number][] = [
            [heads, batch, queries, width],
            [heads, batch, keys, width],
            [heads, batch, keys, dHead],
          ];
          const inputs = shapes.map((one, i) =>
            normals(
              one.reduce((a, b) => a * b),
              seed + i,
            ),
          );
          // Causal, and the last prompt has one token less: its first key is padding, unless it is all there is.
          const bias = Array.from({ length: batch * queries * keys }, (_, i) => {
            const [b, query, key] = [
              Math.floor(i / (queries * keys)),
              Math.floor(i / keys) % queries,
              i % keys,
            ];
            const at = keys - queries + query;
            return key > at || (b === 1 && key === 0 && at > 0) ? HIDDEN : 0;
          });
          const dz = normals(heads * batch * queries * dHead, seed + 3);
          const z = (values: number[][]) => definition(shape, values, bias, scale, cap);
          const slopesBy = (index: number) =>
            slopes(
              (moved) => dot(dz, z(inputs.map((one, i) => (i === index ? moved : one)))),
              inputs[index]!,
            );

          const [q, k, v] = inputs.map((values, i) => tf.tensor4d(values, shapes[i]!));
          const tBias = tf.tensor4d(bias, [1, batch, queries, keys]);
          const tdz = tf.tensor4d(dz, [heads, batch, queries, dHead]);
          const found = resultsOf(() => {
            const scoring = { bias: tBias, scale, cap };
            const { z, trace } = attend(q!, k!, v!, scoring, {}, most);
            const pulled = attendPull(tdz, trace, scoring, moving, {}, most);
            const kept = [trace.pattern?.weights, trace.pattern?.bent].filter((x) => !!x) as tf.Tensor[];
            tf.dispose(kept);
            return { z, ...pulled };
          });
          expectClose(found.z, z(inputs));
          expectClose(found.dq, slopesBy(0));
          for (const [name, index, columns] of [
            ['dk', 1, width],
            ['dv', 2, dHead],
          ] as const) {
            const last = rowsIn(slopesBy(index), columns).filter((_, row) => row % keys >= keys - moving);
            if (moving === 0) expect(found[name]).toBeNull();
            else expectClose(found[name], last.flat());
          }
          tf.dispose([q!, k!, v!, tBias, tdz]);
        },
      ),
      { numRuns: 40 },
    );
  });

  it('gives the same in one pass, however heads lie', ({ skip }) => {
    skip(!attendsSideBySide(1), 'this engine has no attention of one pass');
    fc.assert(
      fc.property(
        fc.record({
          kvHeads: fc.integer({ min: 1, max: 3 }),
          group: fc.integer({ min: 1, max: 3 }),
          batch: fc.integer({ min: 1, max: 3 }),
          keys: fc.integer({ min: 1, max: 40 }),
          queries: fc.integer({ min: 1, max: 40 }),
          width: fc.integer({ min: 1, max: 70 }),
          dHead: fc.integer({ min: 1, max: 70 }),
        }),
        fc.tuple(fc.boolean(), fc.boolean(), fc.boolean(), fc.boolean(), fc.boolean()),
        fc.nat(1000),
        (sizes, [qApart, kApart, vApart, moving, oneBias], seed) => {
          const { kvHeads, group, batch, keys, width, dHead } = sizes;
          const queries = Math.min(sizes.queries, keys);
          const heads = kvHeads * group;
          const random = (shape: [number, number, number, number], at: number) =>
            tf.tensor4d(
              normals(
                shape.reduce((a, b) => a * b),
                seed + at,
              ),
              shape,
            );
          const q = random([heads, batch, queries, width], 0);
          const k = random([kvHeads, batch, keys, width], 1);
          const v = random([kvHeads, batch, keys, dHead], 2);
          const dz = random([heads, batch, queries, dHead], 3);
          const prompts = oneBias ? 1 : batch;
          const hidden = Array.from({ length: prompts * queries * keys }, (_, i) => {
            const at = keys - queries + (Math.floor(i / keys) % queries);
            const padding = i % keys === 0 && Math.floor(i / (queries * keys)) === 1 && at > 0;
            return i % keys > at || padding ? HIDDEN : 0;
          });
          const bias = tf.tensor4d(hidden, [1, prompts, queries, keys]);
          const scoring = { bias, scale: 0.3 };
          const counts = { batch, heads, kvHeads };
          const lain = (x: tf.Tensor4D, apart: boolean): Heads => (apart ? tf.clone(x) : mergeHeads(x));
          const wanted = resultsOf(() =>
            tidy(() => {
              const { z, trace } = attend(q, repeatHeads(k, heads), repeatHeads(v, heads), scoring);
              const { dq, dk, dv } = attendPull(dz, trace, scoring, moving ? keys : 0);
              return {
                z: mergeHeads(z),
                dq,
                dk: dk && repeatHeadsPull(dk, kvHeads),
                dv: dv && repeatHeadsPull(dv, kvHeads),
              };
            }),
          );
          const found = resultsOf(() =>
            tidy(() => {
              const given = [lain(q, qApart), lain(k, kApart), lain(v, vApart)] as const;
              const { z, trace } = attendInOnePass(...given, scoring, counts);
              const pulled = attendInOnePassPull(mergeHeads(dz), trace, scoring, counts, moving);
              const split = (x: Heads, count: number) =>
                x.rank === 4 ? x : splitHeads(x as tf.Tensor2D, batch, count);
              return {
                z,
                dq: split(pulled.dq, heads),
                dk: pulled.dk && split(pulled.dk, kvHeads),
                dv: pulled.dv && split(pulled.dv, kvHeads),
              };
            }),
          );
          expectClose(found.z, wanted.z!);
          expectClose(found.dq, wanted.dq!);
          for (const name of ['dk', 'dv'] as const)
            if (moving) expectClose(found[name], wanted[name]!);
            else expect(found[name]).toBeNull();
          tf.dispose([q, k, v, dz, bias]);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('cuts rows into heads and joins them again', () => {
    const [batch, positions, heads, width] = [2, 3, 2, 4];
    const x = normals(batch * positions * heads * width, 1);
    const rows = tf.tensor2d(x, [batch * positions, heads * width]);
    const { split } = resultsOf(() => ({ split: splitHeads(rows, batch, heads) }));
    const at = (h: number, b: number, t: number, c: number) =>
      x[((b * positions + t) * heads + h) * width + c]!;
    let i = 0;
    for (let h = 0; h < heads; h++)
      for (let b = 0; b < batch; b++)
        for (let t = 0; t < positions; t++)
          for (let c = 0; c < width; c++) expect(split![i++]).toBe(at(h, b, t, c));
    const { merged } = resultsOf(() => {
      const heads4 = splitHeads(rows, batch, heads);
      const merged = mergeHeads(heads4);
      heads4.dispose();
      return { merged };
    });
    expect(merged).toEqual(x);
    rows.dispose();
  });

  it.each([
    [2, 2],
    [2, 6],
  ])('gives %i key heads to %i query heads, and sums what comes back', (kvHeads, heads) => {
    const size = 2 * 3 * 2;
    const [x, dy] = [normals(kvHeads * size, 1), normals(heads * size, 2)];
    const [tx, tdy] = [tf.tensor4d(x, [kvHeads, 2, 3, 2]), tf.tensor4d(dy, [heads, 2, 3, 2])];
    const definition = (input: number[]) =>
      Array.from(
        { length: heads },
        (_, head) => rowsIn(input, size)[Math.floor((head * kvHeads) / heads)]!,
      ).flat();
    const { y, dx } = resultsOf(() => ({ y: repeatHeads(tx, heads), dx: repeatHeadsPull(tdy, kvHeads) }));
    expect(y).toEqual(definition(x));
    expectClose(
      dx,
      slopes((input) => dot(dy, definition(input)), x),
    );
    tf.dispose([tx, tdy]);
  });
});
