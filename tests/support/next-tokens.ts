/** A model's own predictions, without masks. */
import type * as tf from '@tensorflow/tfjs-core';
import type { Engine } from '../../src/engine/engine.js';
import { Transformer } from '../../src/forward/transformer.js';
import type { Model } from '../../src/models/weights.js';

/** Loads a model to be run as it is. */
export function loadPlain(engine: Engine, model: Model): Promise<Transformer> {
  return Transformer.load(engine, model);
}

/** Logits after the last token of each prompt, a row a prompt. */
export async function logitsAfter(
  model: Transformer,
  prompts: readonly ArrayLike<number>[],
): Promise<number[][]> {
  const state = model.forward(prompts.map((ids) => Int32Array.from(ids)));
  const logits = model.logits(state);
  const rows = await rowsOf(logits);
  state.dispose();
  logits.dispose();
  return rows;
}

/** Logits after each token of a prompt, a row a token. */
export async function logitsAlong(model: Transformer, ids: ArrayLike<number>): Promise<number[][]> {
  const states = model.forward([Int32Array.from(ids)], { ends: 'all' });
  const logits = model.logits(states);
  const rows = await rowsOf(logits);
  states.dispose();
  logits.dispose();
  return rows;
}

export async function rowsOf(matrix: tf.Tensor2D): Promise<number[][]> {
  const values = await matrix.data();
  const [rows, cols] = matrix.shape;
  return Array.from({ length: rows }, (_, row) => Array.from(values.slice(row * cols, (row + 1) * cols)));
}
