/** What flows through each direction on the way from nothing kept to everything kept (conductance). */
import * as tf from '@tensorflow/tfjs-core';
import type { LossKind } from '../engine/ops/loss.js';
import { sumRows } from '../forward/mask-hooks.js';
import { batchesByLength } from '../forward/passes.js';
import { coefficientsOf, PlaceReader } from '../forward/places.js';
import { foldOverPlanes } from '../forward/planes.js';
import { heed } from '../heed.js';
import type { PreparedPairs } from '../pairs/prepared-pairs.js';
import type { LongCall } from '../progress.js';
import { lossHead } from './objective.js';

/**
 * Conductance (Dhamdhere, Sundararajan and Yan, arXiv 1805.12233) along the way on which all masks grow together from 0
 * to 1: of each direction ∫ ∂loss/∂c · dc over its coefficients c as they are passed on, mask and replacement in them. A
 * coefficient moves with its own mask and with all that the other masks change in what it reads.
 *
 * The integral is Σ ½ (g_j + g_{j+1})·(c_{j+1} − c_j) over `points` equal parts of the way, g and c from one pass each.
 * @param total pairs of which these are a part: parts add up
 * @param points parts of the way; the model is pulled back once more than that
 * @param maxTokens positions (padding included) in one pass
 * @returns their share of the mean change of the loss, [directions]
 * @throws InterruptedError if the signal fires
 */
export async function conductance(
  prepared: PreparedPairs,
  kind: LossKind,
  points: number,
  maxTokens: number,
  { signal }: LongCall = {},
  total = prepared.length,
): Promise<Float32Array> {
  const { model } = prepared;
  const { layout, architecture } = model;
  const places = Array.from({ length: architecture.nLayers }, (_, layer) =>
    layout.kinds.map((kind) => ({ layer, kind, place: coefficientsOf(kind) })),
  ).flat();
  const sums = new Float32Array(layout.size);
  const lengths = prepared.pairs.map(({ clean }) => clean.length);
  for (const batch of batchesByLength(lengths, maxTokens)) {
    const head = lossHead(prepared, batch, kind, total);
    const baseline = prepared.baseline(batch);
    const prompts = prepared.prompts(batch);
    let before: PlaceReader | undefined;
    try {
      for (let point = 0; point <= points; point++) {
        await heed(signal);
        const reader = new PlaceReader(places, { gradients: true });
        const masks = new Float32Array(layout.size).fill(point / points);
        const passed = { past: prepared.past(batch), hooks: reader.hooks, signal };
        try {
          await model.gradient(prompts, masks, baseline, head, passed);
          if (before) await addStep(before, reader);
        } finally {
          before?.dispose();
          before = reader;
        }
      }
    } finally {
      before?.dispose();
      tf.dispose([head.inputs, baseline] as unknown as tf.TensorContainer);
    }
  }
  return sums;

  /** Adds what the loss changed by from one point to the next. */
  async function addStep(from: PlaceReader, to: PlaceReader): Promise<void> {
    for (const { layer, kind, place } of places) {
      const step = tf.tidy(() => {
        const moved = tf.sub<tf.Tensor2D>(to.value(layer, place), from.value(layer, place));
        const slope = tf.div(tf.add(from.gradient(layer, place), to.gradient(layer, place)), 2);
        return sumRows(tf.mul<tf.Tensor2D>(moved, slope));
      });
      const all = (await step.data()) as Float32Array;
      step.dispose();
      const planes = kind === 'qk' ? model.planes?.[layer] : undefined;
      const own = planes ? foldOverPlanes(all, planes) : all;
      const { start } = layout.block(layer, kind)!;
      for (let k = 0; k < own.length; k++) sums[start + k]! += own[k]!;
    }
  }
}
