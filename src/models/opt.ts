/** OPT: GPT-2 with ReLU, a matrix a tensor, and positions that are counted from 2. */
import type { TensorSource } from '../formats/safetensors.js';
import type { Adapter, ModelConfig, Norm } from './adapter.js';
import { ConfigFields } from './config-fields.js';
import { readUnembed, transformerPrefix } from './ends.js';
import { readLinear, readNorm, readTensor } from './read-tensor.js';

const EMBEDDING = 'embed_tokens.weight';

/** Rows of the position table that stand in front of the first token's. */
const OFFSET = 2;

export const opt: Adapter = {
  family: 'opt',
  tiedByDefault: true,
  embedding: EMBEDDING,

  architecture(config, where) {
    const fields = new ConfigFields(config, where);
    const dModel = fields.count('hidden_size', 768);
    const nHeads = fields.count('num_attention_heads', 12);
    if (dModel % nHeads !== 0)
      throw fields.wrong('num_attention_heads', `a divisor of hidden_size (${dModel})`);
    if (!fields.flag('do_layer_norm_before', true))
      throw fields.wrong(
        'do_layer_norm_before',
        'true: normalisations behind the sums (OPT 350M) are not represented',
      );
    if (fields.flag('_remove_final_layer_norm', false))
      throw fields.wrong('_remove_final_layer_norm', 'false');
    if (fields.count('word_embed_proj_dim', dModel) !== dModel)
      throw fields.wrong('word_embed_proj_dim', `hidden_size (${dModel})`);
    const nLayers = fields.layers('num_hidden_layers', 12);
    const dHead = dModel / nHeads;
    return {
      family: 'opt',
      nLayers,
      dModel,
      nHeads,
      nKvHeads: nHeads,
      dHead,
      dMlp: fields.count('ffn_dim', 3072),
      nVocab: fields.count('vocab_size', 50272),
      nPositions: fields.count('max_position_embeddings', 2048),
      norm: 'layer',
      normEpsilon: 1e-5,
      activation: fields.activation('activation_function', 'relu'),
      gatedMlp: false,
      parallelResidual: false,
      attentionScale: Array.from({ length: nLayers }, () => 1 / Math.sqrt(dHead)),
      biases: { q: true, k: true, v: true, o: true, mlpIn: true, mlpGate: false, mlpOut: true },
    };
  },

  async layer(source, { dModel: d, dMlp }, layer, config) {
    const at = `${transformerPrefix(source, EMBEDDING)}layers.${layer}.`;
    const biased = new ConfigFields(config, source.path).flag('enable_bias', true);
    const linear = async (name: string, rows: number, cols: number) => {
      const read = await readLinear(source, at + name, rows, cols, biased);
      return { ...read, bias: read.bias ?? new Float32Array(cols) };
    };
    return {
      attentionNorm: await readOptNorm(source, `${at}self_attn_layer_norm`, d, config),
      mlpNorm: await readOptNorm(source, `${at}final_layer_norm`, d, config),
      q: await linear('self_attn.q_proj', d, d),
      k: await linear('self_attn.k_proj', d, d),
      v: await linear('self_attn.v_proj', d, d),
      o: await linear('self_attn.out_proj', d, d),
      mlpIn: await linear('fc1', d, dMlp),
      mlpGate: null,
      mlpOut: await linear('fc2', dMlp, d),
    };
  },

  async ends(source, { dModel: d, nVocab, nPositions }, config) {
    const at = transformerPrefix(source, EMBEDDING);
    const positions = await readTensor(source, `${at}embed_positions.weight`, [nPositions + OFFSET, d]);
    return {
      ...(await readUnembed(source, { embedding: at + EMBEDDING, nVocab, dModel: d })),
      positions: positions.slice(OFFSET * d),
      finalNorm: await readOptNorm(source, `${at}final_layer_norm`, d, config),
    };
  },
};

/** Without gain and bias where the config says so. */
async function readOptNorm(
  source: TensorSource,
  name: string,
  width: number,
  config: ModelConfig,
): Promise<Norm> {
  if (new ConfigFields(config, source.path).flag('layer_norm_elementwise_affine', true))
    return readNorm(source, name, width);
  return { gain: new Float32Array(width).fill(1), bias: new Float32Array(width) };
}
