/** The families of the Llama layout: what each adds, and what its config may leave out (docs/models.md). */
import type { ModelConfig } from './adapter.js';
import type { Architecture } from './architecture.js';
import type { ConfigFields } from './config-fields.js';
import { type LlamaFamily, llamaAdapter } from './llama-layout.js';
import { ropeByLayerType, ropeOf } from './rope.js';

const BASE: Omit<LlamaFamily, 'family' | 'defaults'> = {
  activationField: 'hidden_act',
  biases: () => ({ qkv: false, o: false, mlp: false }),
  window: () => null,
  mlpNorm: 'post_attention_layernorm',
  gemma: false,
};

const DEFAULTS = { positions: 32768, ropeBase: 10000, activation: 'silu', tied: false };

/** Llama 2 and 3, SmolLM2. */
const llama: LlamaFamily = {
  ...BASE,
  family: 'llama',
  defaults: { ...DEFAULTS, positions: 2048 },
  biases: (fields) => ({ ...attentionBiases(fields), mlp: fields.flag('mlp_bias', false) }),
};

const mistral: LlamaFamily = {
  ...BASE,
  family: 'mistral',
  defaults: { ...DEFAULTS, kvHeads: 8, positions: 131072 },
  window: (fields, config) => (config.sliding_window === null ? null : fields.count('sliding_window', 4096)),
};

const qwen2: LlamaFamily = {
  ...BASE,
  family: 'qwen2',
  defaults: { ...DEFAULTS, kvHeads: 32 },
  biases: () => ({ qkv: true, o: false, mlp: false }),
  window: qwenWindow,
};

const qwen3: LlamaFamily = {
  ...BASE,
  family: 'qwen3',
  defaults: { ...DEFAULTS, kvHeads: 32, headDim: 128 },
  biases: (fields) => ({ ...attentionBiases(fields), mlp: false }),
  window: qwenWindow,
  differences: ({ normEpsilon }) => ({ queryKeyNorm: normEpsilon }),
};

const GEMMA: Omit<LlamaFamily, 'family'> = {
  ...BASE,
  defaults: {
    kvHeads: 4,
    headDim: 256,
    positions: 8192,
    ropeBase: 10000,
    activation: 'gelu_pytorch_tanh',
    tied: true,
  },
  activationField: 'hidden_activation',
  biases: (fields) => ({ ...attentionBiases(fields), mlp: false }),
  window: (fields) => fields.count('sliding_window', 4096),
  mlpNorm: 'pre_feedforward_layernorm',
  gemma: true,
};

const gemma2: LlamaFamily = {
  ...GEMMA,
  family: 'gemma2',
  differences: (architecture, fields, config) => ({
    ...gemmaDifferences(architecture, fields, config, 30),
    scoreCap: cap(fields, config, 'attn_logit_softcapping', 50),
  }),
};

/** Gemma 3 without its image encoder. Layers with a sliding window turn by a base of their own. */
const gemma3: LlamaFamily = {
  ...GEMMA,
  family: 'gemma3_text',
  defaults: { ...GEMMA.defaults, positions: 131072, ropeBase: 1e6 },
  differences: (architecture, fields, config) => {
    if (fields.flag('use_bidirectional_attention', false))
      throw fields.wrong('use_bidirectional_attention', 'false');
    if (cap(fields, config, 'attn_logit_softcapping', null) !== undefined)
      throw fields.wrong('attn_logit_softcapping', 'null in this family');
    return {
      ...gemmaDifferences(architecture, fields, config, null),
      queryKeyNorm: architecture.normEpsilon,
      rotary: localRotary(architecture, fields, config),
    };
  },
};

export const llamaFamilies = [llama, mistral, qwen2, qwen3, gemma2, gemma3].map(llamaAdapter);

function attentionBiases(fields: ConfigFields): { qkv: boolean; o: boolean } {
  const biased = fields.flag('attention_bias', false);
  return { qkv: biased, o: biased };
}

function qwenWindow(fields: ConfigFields): number | null {
  return fields.flag('use_sliding_window', false) ? fields.count('sliding_window', 4096) : null;
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
  const options = { dims, base: 10000, positions, where: 'config.json' };
  const local = ropeByLayerType(config)
    ? ropeOf(config, options, 'sliding_attention')
    : ropeOf({}, { ...options, base: fields.number('rope_local_base_freq', 10000) });
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
