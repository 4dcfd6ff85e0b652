/** A model's own predictions, without masks. */
import type * as tf from '@tensorflow/tfjs-core';
import type { Engine } from '../../src/engine/engine.js';
import { MaskedModel } from '../../src/forward/masked-model.js';
import type { Model } from '../../src/models/weights.js';

/** Loads a model to be run as it is: no directions are needed. */
export function loadPlain(engine: Engine, model: Model): Promise<MaskedModel> {
  const nothing = { key: '', computed: 0, layer: async () => new Map() };
  return MaskedModel.load(engine, model, nothing, { kinds: [] });
}

/** Logits after the last token of each prompt, a row a prompt. */
export async function logitsAfter(
  model: MaskedModel,
  prompts: readonly ArrayLike<number>[],
): Promise<number[][]> {
  const { state } = model.forward(prompts.map((ids) => Int32Array.from(ids)));
  const logits = model.logits(state);
  const rows = await rowsOf(logits);
  state.dispose();
  logits.dispose();
  return rows;
}

export async function rowsOf(matrix: tf.Tensor2D): Promise<number[][]> {
  const values = await matrix.data();
  const [rows, cols] = matrix.shape;
  return Array.from({ length: rows }, (_, row) => Array.from(values.slice(row * cols, (row + 1) * cols)));
}
