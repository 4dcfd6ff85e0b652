/**
 * The layout that Llama began and Mistral, Qwen, Gemma, Phi-3, Granite and SmolLM3 share: rotary positions, RMSNorm,
 * gated MLP, grouped heads. What a family adds or changes is in its description (llama-families.ts).
 */
import { InputError } from '../errors.js';
import type { TensorSource } from '../formats/safetensors.js';
import type { Adapter, ModelConfig, Norm, RawEnds, RawLayer } from './adapter.js';
import type { Architecture } from './architecture.js';
import { ConfigFields } from './config-fields.js';
import { readUnembed, transformerPrefix } from './ends.js';
import { readFused, readLinear, readTensor } from './read-tensor.js';
import { ropeOf, rotaryShare } from './rope.js';
import type { Linear } from './weights.js';

export interface LlamaFamily {
  family: string;
  /** What the family's config may leave out. */
  defaults: {
    dModel: number;
    dMlp: number;
    layers: number;
    heads: number;
    vocabulary: number;
    /** `num_key_value_heads`; as many as heads unless given. */
    kvHeads?: number;
    /** `head_dim`; dModel / heads unless given. */
    headDim?: number;
    /** `max_position_embeddings`. */
    positions: number;
    /** `original_max_position_embeddings`. */
    context?: number;
    ropeBase: number;
    normEpsilon: number;
    activation: string;
    tied: boolean;
  };
  /** Field that names the activation. */
  activationField: 'hidden_act' | 'hidden_activation';
  /** Biases of the query, key and value matrices, of the attention's output, and of the MLP. */
  biases(fields: ConfigFields): { qkv: boolean; o: boolean; mlp: boolean };
  /** Positions that a query sees at most in some layer; null: all. */
  window(fields: ConfigFields, config: ModelConfig): number | null;
  /** Whether a config may let a part of each head turn only. */
  partlyTurning: boolean;
  /** What differs from Llama; given the architecture as if it did not. */
  differences?(architecture: Architecture, fields: ConfigFields, config: ModelConfig): Partial<Architecture>;
  /** Name of the normalisation before the MLP. */
  mlpNorm: 'post_attention_layernorm' | 'pre_feedforward_layernorm';
  /** True: queries, keys and values are stored as one matrix, and so are gate and up. */
  fused: boolean;
  /** True: gains are stored less 1 (Gemma). */
  gainsLessOne: boolean;
  /** Factors that the config puts on token embeddings, on what attention and MLP write, and on the logits. */
  factors(fields: ConfigFields, dModel: number): { embed: number; write: number; logits: number };
}

export function llamaAdapter(family: LlamaFamily): Adapter {
  return {
    family: family.family,
    tiedByDefault: family.defaults.tied,
    embedding: EMBEDDING,
    architecture: (config, where) => architectureOf(family, config, where),
    layer: (source, architecture, layer, config) => readLayer(family, source, architecture, layer, config),
    ends: (source, architecture, config) => readEnds(family, source, architecture, config),
  };
}

function architectureOf(family: LlamaFamily, config: ModelConfig, where: string): Architecture {
  const { defaults } = family;
  const fields = new ConfigFields(config, where);
  const dModel = fields.count('hidden_size', defaults.dModel);
  const nHeads = fields.count('num_attention_heads', defaults.heads);
  // Null means as many as heads, a missing field what the family has.
  const ungrouped = config.num_key_value_heads === null ? nHeads : (defaults.kvHeads ?? nHeads);
  const nKvHeads = fields.count('num_key_value_heads', ungrouped);
  if (nHeads % nKvHeads !== 0) throw fields.wrong('num_key_value_heads', `a divisor of ${nHeads}`);
  const dHead = fields.count('head_dim', defaults.headDim ?? dModel / nHeads, MOST_HEAD_WIDTH);
  const share = rotaryShare(config, where, 1);
  if (share !== 1 && !family.partlyTurning)
    throw new InputError(`${where}: "partial_rotary_factor" is ${share}; it must be 1`);
  const nLayers = fields.layers('num_hidden_layers', defaults.layers);
  const window = family.window(fields, config);
  const { qkv, o, mlp } = family.biases(fields);
  const context = defaults.context && { original_max_position_embeddings: defaults.context };
  const { rotary, positions } = ropeOf(
    { ...context, ...config },
    {
      dims: Math.floor(dHead * share),
      base: defaults.ropeBase,
      positions: fields.count('max_position_embeddings', defaults.positions),
      where,
    },
  );
  const architecture: Architecture = {
    family: family.family,
    nLayers,
    dModel,
    nHeads,
    nKvHeads,
    dHead,
    dMlp: fields.count('intermediate_size', defaults.dMlp),
    nVocab: fields.count('vocab_size', defaults.vocabulary),
    // Within the window every position is seen, and attention is the plain one.
    nPositions: Math.min(positions, window ?? positions),
    norm: 'rms',
    normEpsilon: fields.number('rms_norm_eps', defaults.normEpsilon),
    activation: fields.activation(family.activationField, defaults.activation),
    gatedMlp: true,
    parallelResidual: false,
    rotary: Array.from({ length: nLayers }, () => rotary),
    attentionScale: Array.from({ length: nLayers }, () => 1 / Math.sqrt(dHead)),
    biases: { q: qkv, k: qkv, v: qkv, o, mlpIn: mlp, mlpGate: mlp, mlpOut: mlp },
  };
  return { ...architecture, ...family.differences?.(architecture, fields, config) };
}

/** Far beyond any model, and few enough angles to be held. */
const MOST_HEAD_WIDTH = 1_000_000;

async function readLayer(
  family: LlamaFamily,
  source: TensorSource,
  architecture: Architecture,
  layer: number,
  config: ModelConfig,
): Promise<RawLayer> {
  const { dModel: d, dHead, nHeads, dMlp, biases, queryKeyNorm, postNorms } = architecture;
  const at = `${transformerPrefix(source, EMBEDDING)}layers.${layer}.`;
  const gain = (name: string, width: number) => readGain(family, source, `${at}${name}`, width);
  const { write } = factorsOf(family, config, source, d);
  const raw: RawLayer = {
    attentionNorm: rms(await gain('input_layernorm', d)),
    mlpNorm: rms(await gain(family.mlpNorm, d)),
    ...(await (family.fused ? readFusedReaders : readReaders)(source, at, architecture)),
    o: scaled(await readLinear(source, `${at}self_attn.o_proj`, nHeads * dHead, d, biases.o), write),
    mlpOut: scaled(await readLinear(source, `${at}mlp.down_proj`, dMlp, d, biases.mlpOut), write),
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

type Readers = Pick<RawLayer, 'q' | 'k' | 'v' | 'mlpIn' | 'mlpGate'>;

/** The matrices that read the stream, one tensor each. */
async function readReaders(source: TensorSource, at: string, architecture: Architecture): Promise<Readers> {
  const { dModel: d, dHead, nHeads, nKvHeads, dMlp, biases } = architecture;
  const linear = (name: string, cols: number, biased: boolean) =>
    readLinear(source, `${at}${name}`, d, cols, biased);
  return {
    q: await linear('self_attn.q_proj', nHeads * dHead, biases.q),
    k: await linear('self_attn.k_proj', nKvHeads * dHead, biases.k),
    v: await linear('self_attn.v_proj', nKvHeads * dHead, biases.v),
    mlpIn: await linear('mlp.up_proj', dMlp, biases.mlpIn),
    mlpGate: await linear('mlp.gate_proj', dMlp, biases.mlpGate),
  };
}

/** The same, stored as two. */
async function readFusedReaders(
  source: TensorSource,
  at: string,
  { dModel: d, dHead, nHeads, nKvHeads, dMlp }: Architecture,
): Promise<Readers> {
  const kv = nKvHeads * dHead;
  const [q, k, v] = await readFused(source, `${at}self_attn.qkv_proj`, d, [nHeads * dHead, kv, kv]);
  const [mlpGate, mlpIn] = await readFused(source, `${at}mlp.gate_up_proj`, d, [dMlp, dMlp]);
  return { q: q!, k: k!, v: v!, mlpIn: mlpIn!, mlpGate: mlpGate! };
}

const EMBEDDING = 'embed_tokens.weight';

async function readEnds(
  family: LlamaFamily,
  source: TensorSource,
  { dModel: d, nVocab }: Architecture,
  config: ModelConfig,
): Promise<RawEnds> {
  const at = transformerPrefix(source, EMBEDDING);
  const { embed, logits } = factorsOf(family, config, source, d);
  const ends = await readUnembed(source, { embedding: `${at}${EMBEDDING}`, nVocab, dModel: d });
  return {
    embed: times(ends.embed, embed),
    positions: null,
    unembed: scaled(ends.unembed, 1 / logits),
    finalNorm: rms(await readGain(family, source, `${at}norm`, d)),
  };
}

function factorsOf(family: LlamaFamily, config: ModelConfig, source: TensorSource, dModel: number) {
  return family.factors(new ConfigFields(config, source.path), dModel);
}

async function readGain(
  { gainsLessOne }: LlamaFamily,
  source: TensorSource,
  name: string,
  width: number,
): Promise<Float32Array> {
  const stored = await readTensor(source, `${name}.weight`, [width]);
  return gainsLessOne ? stored.map((value) => 1 + value) : stored;
}

function rms(gain: Float32Array): Norm {
  return { gain, bias: null };
}

function scaled(linear: Linear, factor: number): Linear {
  return factor === 1
    ? linear
    : { ...linear, weight: times(linear.weight, factor), bias: linear.bias && times(linear.bias, factor) };
}

function times(values: Float32Array, factor: number): Float32Array {
  if (factor === 1) return values;
  const out = new Float32Array(values.length);
  for (let i = 0; i < values.length; i++) out[i] = values[i]! * factor;
  return out;
}
