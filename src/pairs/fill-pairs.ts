/** Fills the room of prompt pairs: the unmasked model's last states, its coefficients and its pasts. */
import * as tf from '@tensorflow/tfjs-core';
import type { MaskedModel } from '../forward/masked-model.js';
import { batchesByLength } from '../forward/passes.js';
import type { KeysValues, Past } from '../forward/past.js';
import { coefficientsOf, PlaceReader } from '../forward/places.js';
import { heed } from '../heed.js';
import { maskedPositions, slotsOf, slotView } from './coefficient-slots.js';
import { type KeptPasts, keepLayer } from './kept-pasts.js';
import type { EmptyPairs, FilledPairs } from './pair-data.js';

/** Runs the unmasked model on the pairs, in few passes, and writes what it does to their room. */
export async function fillPairs(
  model: MaskedModel,
  room: EmptyPairs,
  forwardTokens: number,
  signal?: AbortSignal,
): Promise<FilledPairs> {
  const { pairs, states, rows, own, replacement, pasts } = room;
  const d = model.architecture.dModel;
  const readsClean = replacement !== 'interchange' && own.length > 0;
  const clean = pairs.map((pair) => pair.clean);
  const how = { forwardTokens, signal };
  await runUnmasked(model, clean, readsClean ? room : null, pasts, how, (index, state) =>
    states.set(state, rows[index]! * d),
  );
  if (replacement === 'interchange' && own.length > 0)
    await runUnmasked(
      model,
      pairs.map((pair) => pair.corrupted!),
      room,
      null,
      how,
      () => {},
    );
  return { ...room, filled: true };
}

/**
 * @param target where each prompt's coefficients go; null: nowhere
 * @param pasts where its past goes; null: nowhere
 */
async function runUnmasked(
  model: MaskedModel,
  prompts: Int32Array[],
  target: EmptyPairs | null,
  pasts: KeptPasts | null,
  { forwardTokens, signal }: { forwardTokens: number; signal: AbortSignal | undefined },
  useState: (index: number, state: Float32Array) => void,
): Promise<void> {
  const d = model.architecture.dModel;
  const slots = slotsOf(model);
  const lengths = prompts.map((ids) => ids.length);
  for (const batch of batchesByLength(lengths, forwardTokens)) {
    const chosen = batch.map((index) => prompts[index]!);
    const past = pasts && (await writePast(pasts, model, chosen, batch, signal));
    const reader = new PlaceReader(
      target ? slots.map(({ layer, kind }) => ({ layer, place: coefficientsOf(kind) })) : [],
    );
    try {
      const final = await model.run(chosen, { hooks: reader.hooks, past }, signal);
      const state = (await final.data()) as Float32Array;
      final.dispose();
      batch.forEach((index, row) => {
        useState(index, state.subarray(row * d, (row + 1) * d));
      });
      if (target)
        for (const [at, { layer, kind, width }] of slots.entries()) {
          const values = (await reader.value(layer, coefficientsOf(kind)).data()) as Float32Array;
          const perPrompt = values.length / batch.length;
          batch.forEach((index, row) => {
            const kept = maskedPositions(model, layer, lengths[index]!) * width;
            const end = (row + 1) * perPrompt;
            const view = slotView(model, target.coefficients, slots, target.own[index]!, at);
            view.set(values.subarray(end - kept, end));
          });
        }
    } finally {
      reader.dispose();
    }
  }
}

/** Computes a batch's past, writes it and returns it for the forward pass. */
async function writePast(
  pasts: KeptPasts,
  model: MaskedModel,
  prompts: readonly Int32Array[],
  batch: readonly number[],
  signal: AbortSignal | undefined,
): Promise<Past | null> {
  const past = model.past(prompts);
  if (!past) return null;
  const layers: KeysValues[] = [];
  try {
    for (const layer of past) {
      layers.push(layer);
      const padded = [
        (await layer.keys.data()) as Float32Array,
        (await layer.values.data()) as Float32Array,
      ] as const;
      keepLayer(pasts, model.architecture, layers.length - 1, batch, padded);
      await heed(signal);
    }
  } catch (error) {
    tf.dispose(layers as unknown as tf.TensorContainer);
    throw error;
  }
  return layers;
}
