/** Writes a small GPT-2-layout model with seeded random weights (no gain, bias or shape trivial) as a Hugging Face folder. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeSafetensors } from '../../src/formats/safetensors-write.js';
import { Random } from '../../src/random.js';

export interface RandomGpt2 {
  layers: number;
  heads: number;
  dHead: number;
  dMlp: number;
  vocabulary: number;
  maxPositions: number;
  activation: string;
  tied: boolean;
  seed: number;
}

export const SMALL_GPT2: RandomGpt2 = {
  layers: 2,
  heads: 2,
  dHead: 6,
  dMlp: 20,
  vocabulary: 17,
  maxPositions: 12,
  activation: 'gelu_new',
  tied: true,
  seed: 1,
};

export async function writeRandomGpt2(folder: string, options: Partial<RandomGpt2> = {}): Promise<void> {
  const { layers, heads, dHead, dMlp, vocabulary, maxPositions, activation, tied, seed } = {
    ...SMALL_GPT2,
    ...options,
  };
  const d = heads * dHead;
  const random = new Random(seed);
  const tensor = (shape: number[], scale: number, mean = 0) => ({
    dtype: 'F32' as const,
    shape,
    data: Float32Array.from(
      { length: shape.reduce((a, b) => a * b, 1) },
      () => mean + scale * random.normal(),
    ),
  });
  const tensors: Record<string, ReturnType<typeof tensor>> = {
    'transformer.wte.weight': tensor([vocabulary, d], 0.6),
    'transformer.wpe.weight': tensor([maxPositions, d], 0.3),
    'transformer.ln_f.weight': tensor([d], 0.2, 1),
    'transformer.ln_f.bias': tensor([d], 0.2),
  };
  if (!tied) tensors['lm_head.weight'] = tensor([vocabulary, d], 0.5);
  const wide = 1 / Math.sqrt(d);
  for (let layer = 0; layer < layers; layer++) {
    const add = (name: string, shape: number[], scale: number, mean = 0) => {
      tensors[`transformer.h.${layer}.${name}`] = tensor(shape, scale, mean);
    };
    for (const norm of ['ln_1', 'ln_2']) {
      add(`${norm}.weight`, [d], 0.2, 1);
      add(`${norm}.bias`, [d], 0.2);
    }
    add('attn.c_attn.weight', [d, 3 * d], 1.2 * wide);
    add('attn.c_attn.bias', [3 * d], 0.3);
    add('attn.c_proj.weight', [d, d], 0.8 * wide);
    add('attn.c_proj.bias', [d], 0.2);
    add('mlp.c_fc.weight', [d, dMlp], wide);
    add('mlp.c_fc.bias', [dMlp], 0.3);
    add('mlp.c_proj.weight', [dMlp, d], 0.8 / Math.sqrt(dMlp));
    add('mlp.c_proj.bias', [d], 0.2);
  }
  await mkdir(folder, { recursive: true });
  await writeSafetensors(join(folder, 'model.safetensors'), new Map(Object.entries(tensors)));
  await writeFile(
    join(folder, 'config.json'),
    JSON.stringify({
      model_type: 'gpt2',
      architectures: ['GPT2LMHeadModel'],
      activation_function: activation,
      layer_norm_epsilon: 1e-5,
      n_embd: d,
      n_head: heads,
      n_inner: dMlp,
      n_layer: layers,
      n_positions: maxPositions,
      vocab_size: vocabulary,
    }),
  );
}
