/** A model of GPT-2 small's shape with weights by seed, as a Hugging Face folder: what speed is measured on. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TensorData, writeSafetensors } from '../src/formats/safetensors-write.js';
import { Random } from '../src/random.js';

const [LAYERS, HEADS, D, MLP, VOCABULARY, POSITIONS] = [12, 12, 768, 3072, 50257, 1024];

/** Writes `config.json` and `model.safetensors` (498 MB). */
export async function writeRandomGpt2Small(folder: string, seed: number): Promise<void> {
  const random = new Random(seed);
  const tensors = new Map<string, TensorData>();
  const add = (name: string, shape: number[], spread: number, mean = 0) => {
    const data = new Float32Array(shape.reduce((a, b) => a * b, 1));
    for (let i = 0; i < data.length; i++) data[i] = mean + spread * (random.uniform() - 0.5);
    tensors.set(`transformer.${name}`, { dtype: 'F32', shape, data });
  };
  add('wte.weight', [VOCABULARY, D], 0.3);
  add('wpe.weight', [POSITIONS, D], 0.1);
  for (let layer = 0; layer < LAYERS; layer++) {
    const at = `h.${layer}.`;
    for (const norm of ['ln_1', 'ln_2']) {
      add(`${at}${norm}.weight`, [D], 0.4, 1);
      add(`${at}${norm}.bias`, [D], 0.2);
    }
    add(`${at}attn.c_attn.weight`, [D, 3 * D], 0.2);
    add(`${at}attn.c_attn.bias`, [3 * D], 0.2);
    add(`${at}attn.c_proj.weight`, [D, D], 0.15);
    add(`${at}attn.c_proj.bias`, [D], 0.2);
    add(`${at}mlp.c_fc.weight`, [D, MLP], 0.2);
    add(`${at}mlp.c_fc.bias`, [MLP], 0.2);
    add(`${at}mlp.c_proj.weight`, [MLP, D], 0.1);
    add(`${at}mlp.c_proj.bias`, [D], 0.2);
  }
  add('ln_f.weight', [D], 0.4, 1);
  add('ln_f.bias', [D], 0.2);
  await mkdir(folder, { recursive: true });
  await writeSafetensors(join(folder, 'model.safetensors'), tensors);
  const config = {
    model_type: 'gpt2',
    architectures: ['GPT2LMHeadModel'],
    activation_function: 'gelu_new',
    layer_norm_epsilon: 1e-5,
    n_embd: D,
    n_head: HEADS,
    n_layer: LAYERS,
    n_positions: POSITIONS,
    vocab_size: VOCABULARY,
  };
  await writeFile(join(folder, 'config.json'), JSON.stringify(config));
}
