/** A model folder of GPT-2 small's size with weights by seed, and its decomposition: what training is timed on. */
import { existsSync } from 'node:fs';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { decompose } from '../src/decompose/decompose.js';
import type { Decomposition } from '../src/decompose/directions.js';
import { DecompositionStore } from '../src/decompose/store.js';
import { type TensorData, writeSafetensors } from '../src/formats/safetensors-write.js';
import { openModel } from '../src/models/open-model.js';
import type { Model } from '../src/models/weights.js';
import type { OnProgress } from '../src/progress.js';
import { Random } from '../src/random.js';

const CONFIG = {
  model_type: 'gpt2',
  activation_function: 'gelu_new',
  layer_norm_epsilon: 1e-5,
  n_embd: 768,
  n_head: 12,
  n_layer: 12,
  n_positions: 1024,
  vocab_size: 50257,
};

export interface Gpt2Small {
  model: Model;
  decomposition: Decomposition;
}

/** Opens the model in a folder, after writing and decomposing it if it is not there. */
export async function gpt2SmallIn(folder: string, onProgress?: OnProgress): Promise<Gpt2Small> {
  const weights = join(folder, 'model');
  if (!existsSync(weights)) await writeGpt2Small(weights);
  const model = await openModel(weights);
  const store = new DecompositionStore(join(folder, 'store'));
  return { model, decomposition: await decompose(model, { store, onProgress }) };
}

/** Writes the model. Scaled so that every block matters and the output distribution is neither flat nor certain. */
export async function writeGpt2Small(folder: string): Promise<void> {
  const { n_embd: d, n_layer: layers, n_positions: positions, vocab_size: vocabulary } = CONFIG;
  const random = new Random(1);
  const tensors = new Map<string, TensorData>();
  const add = (name: string, shape: number[], scale: number, mean = 0) => {
    const data = new Float32Array(shape.reduce((product, size) => product * size, 1));
    const width = scale * Math.sqrt(12);
    for (let i = 0; i < data.length; i++) data[i] = mean + width * (random.uniform() - 0.5);
    tensors.set(`transformer.${name}`, { dtype: 'F32', shape, data });
  };
  const norm = (name: string) => {
    add(`${name}.weight`, [d], 0.2, 1);
    add(`${name}.bias`, [d], 0.1);
  };
  add('wte.weight', [vocabulary, d], 0.1);
  add('wpe.weight', [positions, d], 0.05);
  norm('ln_f');
  const linear = (name: string, rows: number, cols: number, gain: number) => {
    add(`${name}.weight`, [rows, cols], gain / Math.sqrt(rows));
    add(`${name}.bias`, [cols], 0.1);
  };
  for (let layer = 0; layer < layers; layer++) {
    norm(`h.${layer}.ln_1`);
    norm(`h.${layer}.ln_2`);
    linear(`h.${layer}.attn.c_attn`, d, 3 * d, 1);
    linear(`h.${layer}.attn.c_proj`, d, d, 0.3);
    linear(`h.${layer}.mlp.c_fc`, d, 4 * d, 1);
    linear(`h.${layer}.mlp.c_proj`, 4 * d, d, 0.3);
  }
  await mkdir(`${folder}.incomplete`, { recursive: true });
  await writeSafetensors(join(`${folder}.incomplete`, 'model.safetensors'), tensors);
  await writeFile(join(`${folder}.incomplete`, 'config.json'), JSON.stringify(CONFIG));
  await rename(`${folder}.incomplete`, folder);
}
