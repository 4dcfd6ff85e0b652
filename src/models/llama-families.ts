/** The families of the Llama layout: what each adds, and what its config may leave out (docs/models.md). */
import type { ModelConfig } from './adapter.js';
import type { Architecture } from './architecture.js';
import type { ConfigFields } from './config-fields.js';
import { type LlamaFamily, llamaAdapter } from './llama-layout.js';
import { ropeByLayerType, ropeOf, withoutTurning } from './rope.js';

const BASE: Omit<LlamaFamily, 'family' | 'defaults'> = {
  activationField: 'hidden_act',
  biases: () => ({ qkv: false, o: false, mlp: false }),
  window: () => null,
  partlyTurning: false,
  mlpNorm: 'post_attention_layernorm',
  fused: false,
  gainsLessOne: false,
  factors: () => ({ embed: 1, write: 1, logits: 1 }),
};

/** Those of Llama 2 7B. */
const DEFAULTS: LlamaFamily['defaults'] = {
  dModel: 4096,
  dMlp: 11008,
  layers: 32,
  heads: 32,
  vocabulary: 32000,
  positions: 2048,
  ropeBase: 10000,
  normEpsilon: 1e-6,
  activation: 'silu',
  tied: false,
};

/** Llama 2 and 3, SmolLM2. */
const llama: LlamaFamily = { ...BASE, family: 'llama', defaults: DEFAULTS, biases: chosenBiases };

const mistral: LlamaFamily = {
  ...BASE,
  family: 'mistral',
  defaults: { ...DEFAULTS, dMlp: 14336, kvHeads: 8, positions: 131072 },
  window: mistralWindow,
};

/** Layers of Ministral with a window and without one take the same prompts. */
const ministral: LlamaFamily = { ...mistral, family: 'ministral', window: typedWindow(4096) };

const QWEN: LlamaFamily['defaults'] = {
  ...DEFAULTS,
  dMlp: 22016,
  vocabulary: 151936,
  kvHeads: 32,
  positions: 32768,
};

/** Qwen 2 and 2.5. */
const qwen2: LlamaFamily = {
  ...BASE,
  family: 'qwen2',
  defaults: QWEN,
  biases: () => ({ qkv: true, o: false, mlp: false }),
  window: qwenWindow,
};

const qwen3: LlamaFamily = {
  ...BASE,
  family: 'qwen3',
  defaults: { ...QWEN, headDim: 128 },
  biases: (fields) => ({ ...attentionBiases(fields), mlp: false }),
  window: qwenWindow,
  differences: ({ normEpsilon }) => ({ queryKeyNorm: normEpsilon }),
};

const phi3: LlamaFamily = {
  ...BASE,
  family: 'phi3',
  defaults: {
    ...DEFAULTS,
    dModel: 3072,
    dMlp: 8192,
    vocabulary: 32064,
    positions: 4096,
    context: 4096,
    normEpsilon: 1e-5,
  },
  window: (fields) => optionalWindow(fields),
  partlyTurning: true,
  fused: true,
};

const granite: LlamaFamily = {
  ...BASE,
  family: 'granite',
  defaults: DEFAULTS,
  biases: chosenBiases,
  factors: (fields) => ({
    embed: fields.number('embedding_multiplier', 1),
    write: fields.number('residual_multiplier', 1),
    logits: fields.number('logits_scaling', 1),
  }),
  differences: ({ nLayers }, fields) => ({
    attentionScale: Array.from({ length: nLayers }, () => fields.number('attention_multiplier', 1)),
  }),
};

/** Some layers do not turn. */
const smollm3: LlamaFamily = {
  ...BASE,
  family: 'smollm3',
  defaults: {
    ...DEFAULTS,
    dModel: 2048,
    layers: 36,
    heads: 16,
    kvHeads: 4,
    vocabulary: 128256,
    positions: 32768,
    ropeBase: 2e6,
    tied: true,
  },
  biases: chosenBiases,
  window: (fields) => (fields.flag('use_sliding_window', false) ? optionalWindow(fields) : null),
  differences: ({ nLayers, rotary }, fields) => {
    const interval = fields.count('no_rope_layer_interval', 4);
    const usual = Array.from({ length: nLayers }, (_, layer) => Number((layer + 1) % interval !== 0));
    const turns = fields.value('no_rope_layers') ?? usual;
    if (!Array.isArray(turns) || turns.length !== nLayers || !turns.every((one) => one === 0 || one === 1))
      throw fields.wrong('no_rope_layers', `${nLayers} times 1, where a layer turns, or 0`);
    return { rotary: rotary!.map((each, layer) => (turns[layer] === 1 ? each : withoutTurning(each))) };
  },
};

const GEMMA: Omit<LlamaFamily, 'family'> = {
  ...BASE,
  defaults: {
    ...DEFAULTS,
    dModel: 2304,
    dMlp: 9216,
    layers: 26,
    heads: 8,
    kvHeads: 4,
    headDim: 256,
    vocabulary: 256000,
    positions: 8192,
    activation: 'gelu_pytorch_tanh',
    tied: true,
  },
  activationField: 'hidden_activation',
  biases: (fields) => ({ ...attentionBiases(fields), mlp: false }),
  window: typedWindow(4096),
  mlpNorm: 'pre_feedforward_layernorm',
  gainsLessOne: true,
  factors: (_, dModel) => ({ embed: Math.sqrt(dModel), write: 1, logits: 1 }),
};

const gemma: LlamaFamily = {
  ...GEMMA,
  family: 'gemma',
  defaults: { ...GEMMA.defaults, dModel: 3072, dMlp: 24576, layers: 28, heads: 16, kvHeads: 16 },
  // `hidden_activation` stands in many of its configs, and transformers reads it in none.
  activationField: 'hidden_act',
  window: () => null,
  mlpNorm: 'post_attention_layernorm',
  differences: (_, fields) => causal(fields),
};

const gemma2: LlamaFamily = {
  ...GEMMA,
  family: 'gemma2',
  differences: (architecture, fields, config) => ({
    ...causal(fields),
    ...gemmaDifferences(architecture, fields, config, 30),
    scoreCap: cap(fields, config, 'attn_logit_softcapping', 50),
  }),
};

/** Gemma 3 without its image encoder. Layers with a sliding window turn by a base of their own. */
const gemma3: LlamaFamily = {
  ...GEMMA,
  family: 'gemma3_text',
  defaults: { ...GEMMA.defaults, vocabulary: 262208, positions: 131072, ropeBase: 1e6 },
  differences: (architecture, fields, config) => {
    if (cap(fields, config, 'attn_logit_softcapping', null) !== undefined)
      throw fields.wrong('attn_logit_softcapping', 'null in this family');
    return {
      ...causal(fields),
      ...gemmaDifferences(architecture, fields, config, null),
      queryKeyNorm: architecture.normEpsilon,
      rotary: localRotary(architecture, fields, config),
    };
  },
};

export const llamaFamilies = [
  llama,
  mistral,
  ministral,
  qwen2,
  qwen3,
  gemma,
  gemma2,
  gemma3,
  phi3,
  granite,
  smollm3,
].map(llamaAdapter);

function attentionBiases(fields: ConfigFields): { qkv: boolean; o: boolean } {
  const biased = fields.flag('attention_bias', false);
  return { qkv: biased, o: biased };
}

function chosenBiases(fields: ConfigFields): { qkv: boolean; o: boolean; mlp: boolean } {
  return { ...attentionBiases(fields), mlp: fields.flag('mlp_bias', false) };
}

/** A missing field and null both mean none. */
function optionalWindow(fields: ConfigFields): number | null {
  return fields.value('sliding_window') === undefined ? null : fields.count('sliding_window');
}

/** Null means none, a missing field 4,096. */
function mistralWindow(fields: ConfigFields, config: ModelConfig): number | null {
  return config.sliding_window === null ? null : fields.count('sliding_window', 4096);
}

/** As Mistral's, but for models whose layers all see everything. */
function typedWindow(fallback: number): LlamaFamily['window'] {
  return (fields, config) => {
    const types = fields.value('layer_types');
    if (Array.isArray(types) && types.every((type) => type === 'full_attention')) return null;
    return config.sliding_window === null ? null : fields.count('sliding_window', fallback);
  };
}

function qwenWindow(fields: ConfigFields, config: ModelConfig): number | null {
  return fields.flag('use_sliding_window', false) ? typedWindow(4096)(fields, config) : null;
}

/** A decoder alone can be represented. */
function causal(fields: ConfigFields): Partial<Architecture> {
  if (fields.flag('use_bidirectional_attention', false))
    throw fields.wrong('use_bidirectional_attention', 'false');
  return {};
}

function gemmaDifferences(
  { nLayers }: Architecture,
  fields: ConfigFields,
  config: ModelConfig,
  logitCap: number | null,
): Partial<Architecture> {
  const scale = 1 / Math.sqrt(fields.number('query_pre_attn_scalar', 256));
  return {
    attentionScale: Array.from({ length: nLayers }, () => scale),
    logitCap: cap(fields, config, 'final_logit_softcapping', logitCap),
    postNorms: true,
  };
}

/** A cap that null switches off; undefined where it is off. */
function cap(
  fields: ConfigFields,
  config: ModelConfig,
  field: string,
  fallback: number | null,
): number | undefined {
  const off = config[field] === null || (config[field] === undefined && fallback === null);
  return off ? undefined : fields.number(field, fallback ?? undefined);
}

function localRotary(
  { nLayers, dHead: dims, nPositions: positions, rotary }: Architecture,
  fields: ConfigFields,
  config: ModelConfig,
): Architecture['rotary'] {
  const base = fields.number('rope_local_base_freq', 10000);
  const settings = ropeByLayerType(config) ? { rope_parameters: config.rope_parameters } : {};
  const { rotary: local } = ropeOf(
    settings,
    { dims, base, positions, where: 'config.json' },
    'sliding_attention',
  );
  const pattern = fields.count('sliding_window_pattern', 6);
  const types: readonly unknown[] = Array.isArray(config.layer_types)
    ? config.layer_types
    : Array.from({ length: nLayers }, (_, layer) =>
        (layer + 1) % pattern === 0 ? 'full_attention' : 'sliding_attention',
      );
  if (
    types.length !== nLayers ||
    !types.every((type) => type === 'full_attention' || type === 'sliding_attention')
  )
    throw fields.wrong('layer_types', `${nLayers} times "full_attention" or "sliding_attention"`);
  return types.map((type, layer) => (type === 'full_attention' ? rotary![layer]! : local));
}
