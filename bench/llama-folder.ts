/** Folders of the shapes of Llama 3.2, sharded, in BF16, with random weights: what models of a billion parameters are timed on. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TensorData, writeSafetensors } from '../src/formats/safetensors-write.js';
import { Random } from '../src/random.js';

export const LLAMA_SHAPES = {
  '1b': { d: 2048, mlp: 8192, heads: 32, kvHeads: 8, dHead: 64, layers: 16, vocabulary: 128_256 },
  '3b': { d: 3072, mlp: 8192, heads: 24, kvHeads: 8, dHead: 128, layers: 28, vocabulary: 128_256 },
};

export type LlamaShape = (typeof LLAMA_SHAPES)['1b'];

/** One shard a layer, and one for the ends. */
export async function writeLlama(folder: string, shape: LlamaShape): Promise<void> {
  const { d, mlp, heads, kvHeads, dHead, layers, vocabulary } = shape;
  const random = new Random(0);
  const matrix = (rows: number, cols: number): TensorData => ({
    dtype: 'BF16',
    shape: [rows, cols],
    data: Float32Array.from({ length: rows * cols }, () => (random.uniform() - 0.5) / Math.sqrt(cols)),
  });
  const ones = (length: number): TensorData => ({
    dtype: 'BF16',
    shape: [length],
    data: new Float32Array(length).fill(1),
  });
  const index: Record<string, string> = {};
  const write = async (shard: string, tensors: Record<string, TensorData>) => {
    for (const name of Object.keys(tensors)) index[name] = shard;
    await writeSafetensors(join(folder, shard), new Map(Object.entries(tensors)));
  };
  mkdirSync(folder);
  for (let layer = 0; layer < layers; layer++) {
    const at = `model.layers.${layer}.`;
    await write(`layer-${layer}.safetensors`, {
      [`${at}input_layernorm.weight`]: ones(d),
      [`${at}post_attention_layernorm.weight`]: ones(d),
      [`${at}self_attn.q_proj.weight`]: matrix(heads * dHead, d),
      [`${at}self_attn.k_proj.weight`]: matrix(kvHeads * dHead, d),
      [`${at}self_attn.v_proj.weight`]: matrix(kvHeads * dHead, d),
      [`${at}self_attn.o_proj.weight`]: matrix(d, heads * dHead),
      [`${at}mlp.gate_proj.weight`]: matrix(mlp, d),
      [`${at}mlp.up_proj.weight`]: matrix(mlp, d),
      [`${at}mlp.down_proj.weight`]: matrix(d, mlp),
    });
  }
  await write('ends.safetensors', {
    'model.embed_tokens.weight': matrix(vocabulary, d),
    'model.norm.weight': ones(d),
  });
  writeFileSync(join(folder, 'model.safetensors.index.json'), JSON.stringify({ weight_map: index }));
  writeFileSync(
    join(folder, 'config.json'),
    JSON.stringify({
      model_type: 'llama',
      hidden_size: d,
      intermediate_size: mlp,
      num_hidden_layers: layers,
      num_attention_heads: heads,
      num_key_value_heads: kvHeads,
      head_dim: dHead,
      vocab_size: vocabulary,
      max_position_embeddings: 131072,
      rope_theta: 500000,
      rope_scaling: {
        rope_type: 'llama3',
        factor: 32,
        low_freq_factor: 1,
        high_freq_factor: 4,
        original_max_position_embeddings: 8192,
      },
      tie_word_embeddings: true,
    }),
  );
}
