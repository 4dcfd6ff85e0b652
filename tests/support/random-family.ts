/** Writes small models of every rotary family with seeded random weights (no gain, bias or shape trivial) as Hugging Face folders. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeSafetensors } from '../../src/formats/safetensors-write.js';
import { Random } from '../../src/random.js';

export const ROTARY_FAMILIES = [
  'llama',
  'mistral',
  'qwen2',
  'qwen3',
  'gemma2',
  'gemma3_text',
  'gpt_neox',
] as const;
export type RotaryFamily = (typeof ROTARY_FAMILIES)[number];

export interface RandomFamily {
  family: RotaryFamily;
  layers: number;
  /** Key/value heads; GPT-NeoX has as many heads. */
  kvHeads: number;
  /** Query heads a key head. */
  group: number;
  /** Half of a head's width. */
  planes: number;
  dModel: number;
  dMlp: number;
  vocabulary: number;
  /** Biases where the family lets the config decide. */
  biased: boolean;
  seed: number;
}

export async function writeRandomFamily(folder: string, options: RandomFamily): Promise<void> {
  const { config, shapes } = options.family === 'gpt_neox' ? gptNeox(options) : llamaLayout(options);
  const random = new Random(options.seed);
  const tensors = Object.entries(shapes).map(([name, shape]) => {
    const norm = /norm/.test(name);
    const mean = norm && name.endsWith('weight') && !options.family.startsWith('gemma') ? 1 : 0;
    const spread = shape.length === 1 ? 0.25 : 1.1 / Math.sqrt(shape[1]!);
    const data = Float32Array.from(
      { length: shape.reduce((a, b) => a * b, 1) },
      () => mean + spread * random.normal(),
    );
    return [name, { dtype: 'F32' as const, shape, data }] as const;
  });
  await mkdir(folder, { recursive: true });
  await writeSafetensors(join(folder, 'model.safetensors'), new Map(tensors));
  await writeFile(join(folder, 'config.json'), JSON.stringify({ model_type: options.family, ...config }));
}

interface Description {
  config: Record<string, unknown>;
  shapes: Record<string, number[]>;
}

function llamaLayout(options: RandomFamily): Description {
  const { family, layers, kvHeads, group, planes, dModel: d, dMlp, vocabulary, biased } = options;
  const heads = kvHeads * group;
  const dHead = 2 * planes;
  const gemma = family.startsWith('gemma');
  const tied = gemma || family === 'mistral';
  const shapes: Description['shapes'] = {
    'model.embed_tokens.weight': [vocabulary, d],
    'model.norm.weight': [d],
  };
  if (!tied) shapes['lm_head.weight'] = [vocabulary, d];
  const canChoose = family === 'llama' || family === 'qwen3' || gemma;
  for (let layer = 0; layer < layers; layer++) {
    const add = (name: string, ...shape: number[]) => {
      shapes[`model.layers.${layer}.${name}`] = shape;
    };
    const matrix = (name: string, rows: number, cols: number, bias: boolean) => {
      add(`${name}.weight`, rows, cols);
      if (bias) add(`${name}.bias`, rows);
    };
    const attention = canChoose && biased;
    matrix('self_attn.q_proj', heads * dHead, d, attention || family === 'qwen2');
    matrix('self_attn.k_proj', kvHeads * dHead, d, attention || family === 'qwen2');
    matrix('self_attn.v_proj', kvHeads * dHead, d, attention || family === 'qwen2');
    matrix('self_attn.o_proj', d, heads * dHead, attention);
    for (const name of ['mlp.gate_proj', 'mlp.up_proj']) matrix(name, dMlp, d, biased && family === 'llama');
    matrix('mlp.down_proj', d, dMlp, biased && family === 'llama');
    add('input_layernorm.weight', d);
    add('post_attention_layernorm.weight', d);
    if (gemma) {
      add('pre_feedforward_layernorm.weight', d);
      add('post_feedforward_layernorm.weight', d);
    }
    if (family === 'qwen3' || family === 'gemma3_text') {
      add('self_attn.q_norm.weight', dHead);
      add('self_attn.k_norm.weight', dHead);
    }
  }
  return {
    shapes,
    config: {
      hidden_size: d,
      num_hidden_layers: layers,
      num_attention_heads: heads,
      num_key_value_heads: kvHeads,
      head_dim: dHead,
      intermediate_size: dMlp,
      vocab_size: vocabulary,
      max_position_embeddings: 64,
      rms_norm_eps: 1e-3,
      rope_theta: 30,
      tie_word_embeddings: tied,
      attention_bias: canChoose && biased,
      mlp_bias: biased,
      ...(family === 'mistral' && { sliding_window: null }),
      ...(family === 'llama' && {
        rope_scaling: {
          rope_type: 'llama3',
          factor: 3,
          low_freq_factor: 1,
          high_freq_factor: 4,
          original_max_position_embeddings: 20,
        },
      }),
      ...(family === 'qwen2' && {
        rope_scaling: { type: 'yarn', factor: 4, original_max_position_embeddings: 16 },
      }),
      ...(gemma && { query_pre_attn_scalar: 3, sliding_window: 32, sliding_window_pattern: 2 }),
      ...(family === 'gemma2' && { attn_logit_softcapping: 2, final_logit_softcapping: 3 }),
    },
  };
}

function gptNeox(options: RandomFamily): Description {
  const { layers, kvHeads: heads, planes, dMlp, vocabulary, biased } = options;
  const dHead = 2 * planes;
  const d = heads * dHead;
  const shapes: Description['shapes'] = {
    'gpt_neox.embed_in.weight': [vocabulary, d],
    'embed_out.weight': [vocabulary, d],
    'gpt_neox.final_layer_norm.weight': [d],
    'gpt_neox.final_layer_norm.bias': [d],
  };
  for (let layer = 0; layer < layers; layer++) {
    const matrix = (name: string, rows: number, cols: number, bias = true) => {
      shapes[`gpt_neox.layers.${layer}.${name}.weight`] = [rows, cols];
      if (bias) shapes[`gpt_neox.layers.${layer}.${name}.bias`] = [rows];
    };
    matrix('attention.query_key_value', 3 * d, d, biased);
    matrix('attention.dense', d, d, biased);
    matrix('mlp.dense_h_to_4h', dMlp, d);
    matrix('mlp.dense_4h_to_h', d, dMlp);
    for (const norm of ['input_layernorm', 'post_attention_layernorm'])
      for (const part of ['weight', 'bias']) shapes[`gpt_neox.layers.${layer}.${norm}.${part}`] = [d];
  }
  return {
    shapes,
    config: {
      hidden_size: d,
      num_hidden_layers: layers,
      num_attention_heads: heads,
      intermediate_size: dMlp,
      vocab_size: vocabulary,
      max_position_embeddings: 64,
      // Half of the planes turn.
      rotary_pct: (2 * Math.ceil(planes / 2)) / dHead,
      rotary_emb_base: 30,
      use_parallel_residual: biased,
      attention_bias: biased,
      rope_scaling: { rope_type: 'linear', factor: 2 },
    },
  };
}
