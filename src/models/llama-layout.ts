/**
 * The layout that Llama began and Mistral, Qwen and Gemma share: rotary positions, RMSNorm, gated MLP, grouped heads,
 * one tensor a matrix. What a family adds or changes is in its description (llama-families.ts).
 */
import type { TensorSource } from '../formats/safetensors.js';
import type { Adapter, ModelConfig, Norm, RawEnds, RawLayer } from './adapter.js';
import type { Architecture } from './architecture.js';
import { ConfigFields } from './config-fields.js';
import { transpose } from './matrix.js';
import { readLinear, readTensor } from './read-tensor.js';
import { ropeOf, rotaryShare } from './rope.js';

export interface LlamaFamily {
  family: string;
  /** What the family's config may leave out. */
  defaults: {
    /** `num_key_value_heads`; as many as heads unless given. */
    kvHeads?: number;
    /** `head_dim`; dModel / heads unless given. */
    headDim?: number;
    /** `max_position_embeddings`. */
    positions: number;
    ropeBase: number;
    activation: string;
    tied: boolean;
  };
  /** Field that names the activation. */
  activationField: 'hidden_act' | 'hidden_activation';
  /** Biases of the query, key and value matrices, of the attention's output, and of the MLP. */
  biases(fields: ConfigFields): { qkv: boolean; o: boolean; mlp: boolean };
  /** Positions that a query sees at most in some layer; null: all. */
  window(fields: ConfigFields, config: ModelConfig): number | null;
  /** What differs from Llama; given the architecture as if it did not. */
  differences?(architecture: Architecture, fields: ConfigFields, config: ModelConfig): Partial<Architecture>;
  /** Name of the normalisation before the MLP. */
  mlpNorm: 'post_attention_layernorm' | 'pre_feedforward_layernorm';
  /** Gemma stores gains less 1, and multiplies token embeddings by √dModel. */
  gemma: boolean;
}

export function llamaAdapter(family: LlamaFamily): Adapter {
  return {
    family: family.family,
    architecture: (config, where) => architectureOf(family, config, where),
    layer: (source, architecture, layer) => readLayer(family, source, architecture, layer),
    ends: (source, architecture, config) => readEnds(family, source, architecture, config),
  };
}

function architectureOf(family: LlamaFamily, config: ModelConfig, where: string): Architecture {
  const { defaults } = family;
  const fields = new ConfigFields(config, where);
  const dModel = fields.count('hidden_size');
  const nHeads = fields.count('num_attention_heads');
  const nKvHeads = fields.count('num_key_value_heads', defaults.kvHeads ?? nHeads);
  if (nHeads % nKvHeads !== 0) throw fields.wrong('num_key_value_heads', `a divisor of ${nHeads}`);
  const dHead = fields.count('head_dim', defaults.headDim ?? dModel / nHeads);
  if (rotaryShare(config, where, 1) !== 1) throw fields.wrong('partial_rotary_factor', '1');
  const nLayers = fields.count('num_hidden_layers');
  const positions = fields.count('max_position_embeddings', defaults.positions);
  const window = family.window(fields, config);
  const { qkv, o, mlp } = family.biases(fields);
  const rotary = ropeOf(config, { dims: dHead, base: defaults.ropeBase, positions, where });
  const architecture: Architecture = {
    family: family.family,
    nLayers,
    dModel,
    nHeads,
    nKvHeads,
    dHead,
    dMlp: fields.count('intermediate_size'),
    nVocab: fields.count('vocab_size'),
    // Within the window every position is seen, and attention is the plain one.
    nPositions: Math.min(positions, window ?? positions),
    norm: 'rms',
    normEpsilon: fields.number('rms_norm_eps', 1e-6),
    activation: fields.activation(family.activationField, defaults.activation),
    gatedMlp: true,
    parallelResidual: false,
    rotary: Array.from({ length: nLayers }, () => rotary),
    attentionScale: Array.from({ length: nLayers }, () => 1 / Math.sqrt(dHead)),
    biases: { q: qkv, k: qkv, v: qkv, o, mlpIn: mlp, mlpGate: mlp, mlpOut: mlp },
  };
  return { ...architecture, ...family.differences?.(architecture, fields, config) };
}

async function readLayer(
  family: LlamaFamily,
  source: TensorSource,
  architecture: Architecture,
  layer: number,
): Promise<RawLayer> {
  const { dModel: d, dHead, nHeads, nKvHeads, dMlp, biases, queryKeyNorm, postNorms } = architecture;
  const at = `${prefix(source)}layers.${layer}.`;
  const linear = (name: string, rows: number, cols: number, biased: boolean) =>
    readLinear(source, `${at}${name}`, rows, cols, biased);
  const gain = (name: string, width: number) => readGain(family, source, `${at}${name}`, width);
  const raw: RawLayer = {
    attentionNorm: rms(await gain('input_layernorm', d)),
    mlpNorm: rms(await gain(family.mlpNorm, d)),
    q: await linear('self_attn.q_proj', d, nHeads * dHead, biases.q),
    k: await linear('self_attn.k_proj', d, nKvHeads * dHead, biases.k),
    v: await linear('self_attn.v_proj', d, nKvHeads * dHead, biases.v),
    o: await linear('self_attn.o_proj', nHeads * dHead, d, biases.o),
    mlpIn: await linear('mlp.up_proj', d, dMlp, biases.mlpIn),
    mlpGate: await linear('mlp.gate_proj', d, dMlp, biases.mlpGate),
    mlpOut: await linear('mlp.down_proj', dMlp, d, biases.mlpOut),
  };
  const outputGains: RawLayer['outputGains'] = {};
  if (queryKeyNorm !== undefined) {
    outputGains.query = await gain('self_attn.q_norm', dHead);
    outputGains.key = await gain('self_attn.k_norm', dHead);
  }
  if (postNorms) {
    outputGains.attention = await gain('post_attention_layernorm', d);
    outputGains.mlp = await gain('post_feedforward_layernorm', d);
  }
  return { ...raw, outputGains };
}

async function readEnds(
  family: LlamaFamily,
  source: TensorSource,
  { dModel: d, nVocab }: Architecture,
  config: ModelConfig,
): Promise<RawEnds> {
  const tied = config.tie_word_embeddings ?? family.defaults.tied;
  const embedName = `${prefix(source)}embed_tokens.weight`;
  // Of a tied pair either may be the one that is stored.
  const stored = tied && !source.has(embedName) ? 'lm_head.weight' : embedName;
  const embed = await readTensor(source, stored, [nVocab, d]);
  const unembed = tied ? embed : await readTensor(source, 'lm_head.weight', [nVocab, d]);
  return {
    embed: family.gemma ? scaled(embed, Math.sqrt(d)) : embed,
    positions: null,
    unembed: { rows: d, cols: nVocab, weight: transpose(unembed, nVocab, d), bias: null },
    finalNorm: rms(await readGain(family, source, `${prefix(source)}norm`, d)),
  };
}

async function readGain(
  { gemma }: LlamaFamily,
  source: TensorSource,
  name: string,
  width: number,
): Promise<Float32Array> {
  const stored = await readTensor(source, `${name}.weight`, [width]);
  return gemma ? stored.map((value) => 1 + value) : stored;
}

function rms(gain: Float32Array): Norm {
  return { gain, bias: null };
}

function scaled(values: Float32Array, factor: number): Float32Array {
  const out = new Float32Array(values.length);
  for (let i = 0; i < values.length; i++) out[i] = values[i]! * factor;
  return out;
}

/** Checkpoints saved from the bare transformer lack the `model.` in front. */
function prefix(source: TensorSource): string {
  return source.names().some((name) => name.startsWith('model.')) ? 'model.' : '';
}
