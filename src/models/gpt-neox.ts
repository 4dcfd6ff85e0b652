/** GPT-NeoX and Pythia: LayerNorm, attention beside the MLP, part of each head turning, queries, keys and values in one tensor. */
import type { Adapter } from './adapter.js';
import { ConfigFields } from './config-fields.js';
import { readUnembed, transformerPrefix } from './ends.js';
import { readLinear, readNorm } from './read-tensor.js';
import { ropeOf, rotaryShare } from './rope.js';
import type { Linear } from './weights.js';

export const gptNeox: Adapter = {
  family: 'gpt_neox',
  tiedByDefault: false,
  embedding: 'embed_in.weight',

  architecture(config, where) {
    const fields = new ConfigFields(config, where);
    const dModel = fields.count('hidden_size', 6144);
    const nHeads = fields.count('num_attention_heads', 64);
    if (dModel % nHeads !== 0)
      throw fields.wrong('num_attention_heads', `a divisor of hidden_size (${dModel})`);
    const dHead = dModel / nHeads;
    const nLayers = fields.layers('num_hidden_layers', 44);
    // Every version of transformers reads these two by older names, or within the settings.
    const { rope_theta: _, partial_rotary_factor: __, ...named } = config;
    const { rotary, positions } = ropeOf(named, {
      dims: Math.floor(dHead * rotaryShare(named, where, fields.number('rotary_pct', 0.25))),
      base: fields.number('rotary_emb_base', 10000),
      positions: fields.count('max_position_embeddings', 2048),
      where,
    });
    return {
      family: 'gpt_neox',
      nLayers,
      dModel,
      nHeads,
      nKvHeads: nHeads,
      dHead,
      dMlp: fields.count('intermediate_size', 24576),
      nVocab: fields.count('vocab_size', 50432),
      nPositions: positions,
      norm: 'layer',
      normEpsilon: fields.number('layer_norm_eps', 1e-5),
      activation: fields.activation('hidden_act', 'gelu'),
      gatedMlp: false,
      parallelResidual: fields.flag('use_parallel_residual', true),
      rotary: Array.from({ length: nLayers }, () => rotary),
      attentionScale: Array.from({ length: nLayers }, () => 1 / Math.sqrt(dHead)),
      // A LayerNorm's bias becomes one of what reads it, and a value's bias one of the attention's output.
      biases: { q: true, k: true, v: true, o: true, mlpIn: true, mlpGate: false, mlpOut: true },
    };
  },

  async layer(source, { dModel: d, nHeads, dHead, dMlp }, layer, config) {
    const at = `${transformerPrefix(source, 'embed_in.weight')}layers.${layer}.`;
    const biased = config.attention_bias !== false;
    const fused = await readLinear(source, `${at}attention.query_key_value`, d, 3 * d, biased);
    const output = await readLinear(source, `${at}attention.dense`, d, d, biased);
    const part = (index: number) => partOf(fused, index, nHeads, dHead);
    return {
      attentionNorm: await readNorm(source, `${at}input_layernorm`, d),
      mlpNorm: await readNorm(source, `${at}post_attention_layernorm`, d),
      q: part(0),
      k: part(1),
      v: part(2),
      o: { ...output, bias: output.bias ?? new Float32Array(d) },
      mlpIn: await readLinear(source, `${at}mlp.dense_h_to_4h`, d, dMlp, true),
      mlpGate: null,
      mlpOut: await readLinear(source, `${at}mlp.dense_4h_to_h`, dMlp, d, true),
    };
  },

  async ends(source, { dModel, nVocab }) {
    const at = transformerPrefix(source, 'embed_in.weight');
    return {
      ...(await readUnembed(source, { embedding: `${at}embed_in.weight`, nVocab, dModel })),
      positions: null,
      finalNorm: await readNorm(source, `${at}final_layer_norm`, dModel),
    };
  },
};

/** Columns come head by head, in each head queries, keys and values: part 0, 1 or 2 of every head, side by side. */
function partOf({ rows, cols, weight, bias }: Linear, part: number, heads: number, dHead: number): Linear {
  const width = heads * dHead;
  const pick = (values: Float32Array, count: number) => {
    const out = new Float32Array(count * width);
    for (let row = 0; row < count; row++)
      for (let head = 0; head < heads; head++) {
        const from = row * cols + (3 * head + part) * dHead;
        out.set(values.subarray(from, from + dHead), row * width + head * dHead);
      }
    return out;
  };
  return { rows, cols: width, weight: pick(weight, rows), bias: bias && pick(bias, 1) };
}
