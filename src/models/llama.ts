/**
 * The Llama layout (Llama 2 and 3, SmolLM2, Mistral, Qwen2): rotary positions, RMSNorm, gated MLP, grouped heads.
 * Families differ in which matrices have biases and in the defaults of what their config may leave out.
 */
import type { TensorSource } from '../formats/safetensors.js';
import type { Adapter, ModelConfig, RawEnds, RawLayer } from './adapter.js';
import type { Architecture } from './architecture.js';
import { ConfigFields } from './config-fields.js';
import { transpose } from './matrix.js';
import { readLinear, readTensor } from './read-tensor.js';
import { ropeOf } from './rope.js';

interface LlamaFamily {
  family: string;
  /** Value of `num_key_value_heads` where absent: as many as heads, unless the family says otherwise. */
  kvHeads?: number;
  /** Value of `max_position_embeddings` where absent. */
  positions: number;
  /** Biases of the query, key and value matrices, of the attention's output, and of the MLP. */
  biases(fields: ConfigFields): { qkv: boolean; o: boolean; mlp: boolean };
  /** Length of the window that every query sees in some layer; null: all positions. */
  window(fields: ConfigFields, config: ModelConfig): number | null;
}

const FAMILIES: LlamaFamily[] = [
  {
    family: 'llama',
    positions: 2048,
    biases: (fields) => {
      const attention = fields.flag('attention_bias', false);
      return { qkv: attention, o: attention, mlp: fields.flag('mlp_bias', false) };
    },
    window: () => null,
  },
  {
    family: 'mistral',
    kvHeads: 8,
    positions: 131072,
    biases: () => ({ qkv: false, o: false, mlp: false }),
    window: (fields, config) =>
      config.sliding_window === null ? null : fields.count('sliding_window', 4096),
  },
  {
    family: 'qwen2',
    kvHeads: 32,
    positions: 32768,
    biases: () => ({ qkv: true, o: false, mlp: false }),
    window: (fields) =>
      fields.flag('use_sliding_window', false) ? fields.count('sliding_window', 4096) : null,
  },
];

export const llamaFamilies: readonly Adapter[] = FAMILIES.map((family) => ({
  family: family.family,
  architecture: (config, where) => architectureOf(family, config, where),
  layer: readLayer,
  ends: readEnds,
}));

function architectureOf(family: LlamaFamily, config: ModelConfig, where: string): Architecture {
  const fields = new ConfigFields(config, where);
  const dModel = fields.count('hidden_size');
  const nHeads = fields.count('num_attention_heads');
  const nKvHeads = fields.count('num_key_value_heads', family.kvHeads ?? nHeads);
  if (nHeads % nKvHeads !== 0) throw fields.wrong('num_key_value_heads', `a divisor of ${nHeads}`);
  const dHead = fields.count('head_dim', dModel / nHeads);
  const share = fields.number('partial_rotary_factor', 1);
  if (share !== 1) throw fields.wrong('partial_rotary_factor', '1');
  const nLayers = fields.count('num_hidden_layers');
  const positions = fields.count('max_position_embeddings', family.positions);
  const window = family.window(fields, config);
  const { qkv, o, mlp } = family.biases(fields);
  const rotary = ropeOf({
    dims: dHead,
    base: fields.number('rope_theta', 10000),
    scaling: config.rope_scaling,
    positions,
    where,
  });
  return {
    family: family.family,
    nLayers,
    dModel,
    nHeads,
    nKvHeads,
    dHead,
    dMlp: fields.count('intermediate_size'),
    nVocab: fields.count('vocab_size'),
    // Within the window all positions are seen, and attention is the plain one.
    nPositions: Math.min(positions, window ?? positions),
    norm: 'rms',
    normEpsilon: fields.number('rms_norm_eps', 1e-6),
    activation: fields.activation('hidden_act', 'silu'),
    gatedMlp: true,
    parallelResidual: false,
    rotary: Array.from({ length: nLayers }, () => rotary),
    attentionScale: Array.from({ length: nLayers }, () => 1 / Math.sqrt(dHead)),
    biases: { q: qkv, k: qkv, v: qkv, o, mlpIn: mlp, mlpGate: mlp, mlpOut: mlp },
  };
}

async function readLayer(source: TensorSource, architecture: Architecture, layer: number): Promise<RawLayer> {
  const { dModel: d, dHead, nHeads, nKvHeads, dMlp, biases } = architecture;
  const at = `${prefix(source)}layers.${layer}.`;
  const linear = (name: string, rows: number, cols: number, biased: boolean) =>
    readLinear(source, `${at}${name}`, rows, cols, biased);
  const gain = async (name: string) => ({
    gain: await readTensor(source, `${at}${name}.weight`, [d]),
    bias: null,
  });
  return {
    attentionNorm: await gain('input_layernorm'),
    mlpNorm: await gain('post_attention_layernorm'),
    q: await linear('self_attn.q_proj', d, nHeads * dHead, biases.q),
    k: await linear('self_attn.k_proj', d, nKvHeads * dHead, biases.k),
    v: await linear('self_attn.v_proj', d, nKvHeads * dHead, biases.v),
    o: await linear('self_attn.o_proj', nHeads * dHead, d, biases.o),
    mlpIn: await linear('mlp.up_proj', d, dMlp, biases.mlpIn),
    mlpGate: await linear('mlp.gate_proj', d, dMlp, biases.mlpGate),
    mlpOut: await linear('mlp.down_proj', dMlp, d, biases.mlpOut),
  };
}

async function readEnds(
  source: TensorSource,
  { dModel: d, nVocab }: Architecture,
  config: ModelConfig,
): Promise<RawEnds> {
  const tied = config.tie_word_embeddings === true;
  const embedName = `${prefix(source)}embed_tokens.weight`;
  // Of a tied pair either may be the one that is stored.
  const own = !tied || source.has(embedName);
  const embed = await readTensor(source, own ? embedName : 'lm_head.weight', [nVocab, d]);
  const unembed = tied ? embed : await readTensor(source, 'lm_head.weight', [nVocab, d]);
  return {
    embed,
    positions: null,
    unembed: { rows: d, cols: nVocab, weight: transpose(unembed, nVocab, d), bias: null },
    finalNorm: { gain: await readTensor(source, `${prefix(source)}norm.weight`, [d]), bias: null },
  };
}

/** Checkpoints saved from the bare transformer lack the `model.` in front. */
function prefix(source: TensorSource): string {
  return source.names().some((name) => name.startsWith('model.')) ? 'model.' : '';
}
