/** GPT-2 family: learned positions, LayerNorm, plain MLP, weights stored as [inputs, outputs]. */
import { InputError } from '../errors.js';
import type { TensorSource } from '../formats/safetensors.js';
import type { Adapter } from './adapter.js';
import { ConfigFields } from './config-fields.js';
import { columns, transpose } from './matrix.js';
import { readTensor } from './read-tensor.js';

export const gpt2: Adapter = {
  family: 'gpt2',

  architecture(config, where) {
    const fields = new ConfigFields(config, where);
    const dModel = fields.count('n_embd');
    const nHeads = fields.count('n_head');
    if (dModel % nHeads !== 0) throw fields.wrong('n_head', `a divisor of n_embd (${dModel})`);
    if (config.add_cross_attention === true)
      throw new InputError(`${where}: "add_cross_attention" is true; only decoders without it can be read`);
    const dHead = dModel / nHeads;
    const nLayers = fields.count('n_layer');
    const scale = fields.flag('scale_attn_weights', true) ? 1 / Math.sqrt(dHead) : 1;
    const byLayer = fields.flag('scale_attn_by_inverse_layer_idx', false);
    return {
      family: 'gpt2',
      nLayers,
      dModel,
      nHeads,
      nKvHeads: nHeads,
      dHead,
      dMlp: fields.count('n_inner', 4 * dModel),
      nVocab: fields.count('vocab_size'),
      nPositions: fields.count('n_positions', typeof config.n_ctx === 'number' ? config.n_ctx : undefined),
      norm: 'layer',
      normEpsilon: fields.number('layer_norm_epsilon', 1e-5),
      activation: fields.activation('activation_function', 'gelu_new'),
      gatedMlp: false,
      parallelResidual: false,
      attentionScale: Array.from({ length: nLayers }, (_, layer) => scale / (byLayer ? layer + 1 : 1)),
      biases: { q: true, k: true, v: true, o: true, mlpIn: true, mlpGate: false, mlpOut: true },
    };
  },

  async layer(source, { dModel: d, dMlp }, layer) {
    const read = (name: string, ...shape: number[]) =>
      readTensor(source, `${prefix(source)}h.${layer}.${name}`, shape);
    const attention = await read('attn.c_attn.weight', d, 3 * d);
    const attentionBias = await read('attn.c_attn.bias', 3 * d);
    const third = (part: number) => ({
      rows: d,
      cols: d,
      weight: columns(attention, d, 3 * d, part * d, d),
      bias: attentionBias.slice(part * d, (part + 1) * d),
    });
    return {
      attentionNorm: { gain: await read('ln_1.weight', d), bias: await read('ln_1.bias', d) },
      mlpNorm: { gain: await read('ln_2.weight', d), bias: await read('ln_2.bias', d) },
      q: third(0),
      k: third(1),
      v: third(2),
      o: {
        rows: d,
        cols: d,
        weight: await read('attn.c_proj.weight', d, d),
        bias: await read('attn.c_proj.bias', d),
      },
      mlpIn: {
        rows: d,
        cols: dMlp,
        weight: await read('mlp.c_fc.weight', d, dMlp),
        bias: await read('mlp.c_fc.bias', dMlp),
      },
      mlpGate: null,
      mlpOut: {
        rows: dMlp,
        cols: d,
        weight: await read('mlp.c_proj.weight', dMlp, d),
        bias: await read('mlp.c_proj.bias', d),
      },
    };
  },

  async ends(source, { dModel: d, nVocab, nPositions }) {
    const at = prefix(source);
    const embed = await readTensor(source, `${at}wte.weight`, [nVocab, d]);
    const own = source.names().includes('lm_head.weight');
    const unembed = own ? await readTensor(source, 'lm_head.weight', [nVocab, d]) : embed;
    return {
      embed,
      positions: await readTensor(source, `${at}wpe.weight`, [nPositions, d]),
      unembed: { rows: d, cols: nVocab, weight: transpose(unembed, nVocab, d), bias: null },
      finalNorm: {
        gain: await readTensor(source, `${at}ln_f.weight`, [d]),
        bias: await readTensor(source, `${at}ln_f.bias`, [d]),
      },
    };
  },
};

/** Checkpoints saved from the bare transformer lack the `transformer.` in front. */
function prefix(source: TensorSource): string {
  return source.names().some((name) => name.startsWith('transformer.')) ? 'transformer.' : '';
}
