/** GPT-2 family: learned positions, LayerNorm, plain MLP, weights stored as [inputs, outputs]. */
import { InputError } from '../errors.js';
import type { Adapter } from './adapter.js';
import { ConfigFields } from './config-fields.js';
import { readUnembed, transformerPrefix } from './ends.js';
import { columns } from './matrix.js';
import { readNorm, readTensor } from './read-tensor.js';

/** What `transformers` takes as well. */
const OTHER_NAMES = {
  n_embd: 'hidden_size',
  n_head: 'num_attention_heads',
  n_layer: 'num_hidden_layers',
  n_positions: 'max_position_embeddings',
};

const EMBEDDING = 'wte.weight';

export const gpt2: Adapter = {
  family: 'gpt2',
  tiedByDefault: true,
  embedding: EMBEDDING,

  architecture(config, where) {
    const fields = new ConfigFields(config, where, OTHER_NAMES);
    const dModel = fields.count('n_embd', 768);
    const nHeads = fields.count('n_head', 12);
    if (dModel % nHeads !== 0) throw fields.wrong('n_head', `a divisor of n_embd (${dModel})`);
    if (config.add_cross_attention === true)
      throw new InputError(`${where}: "add_cross_attention" is true; only decoders without it can be read`);
    const dHead = dModel / nHeads;
    const nLayers = fields.layers('n_layer', 12);
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
      nVocab: fields.count('vocab_size', 50257),
      nPositions: fields.count('n_positions', typeof config.n_ctx === 'number' ? config.n_ctx : 1024),
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
    const at = transformerPrefix(source, EMBEDDING);
    const read = (name: string, ...shape: number[]) => readTensor(source, `${at}h.${layer}.${name}`, shape);
    const attention = await read('attn.c_attn.weight', d, 3 * d);
    const attentionBias = await read('attn.c_attn.bias', 3 * d);
    const third = (part: number) => ({
      rows: d,
      cols: d,
      weight: columns(attention, d, 3 * d, part * d, d),
      bias: attentionBias.slice(part * d, (part + 1) * d),
    });
    return {
      attentionNorm: await readNorm(source, `${at}h.${layer}.ln_1`, d),
      mlpNorm: await readNorm(source, `${at}h.${layer}.ln_2`, d),
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

  async ends(source, { dModel, nVocab, nPositions }) {
    const at = transformerPrefix(source, EMBEDDING);
    return {
      ...(await readUnembed(source, { embedding: at + EMBEDDING, nVocab, dModel })),
      positions: await readTensor(source, `${at}wpe.weight`, [nPositions, dModel]),
      finalNorm: await readNorm(source, `${at}ln_f`, dModel),
    };
  },
};
