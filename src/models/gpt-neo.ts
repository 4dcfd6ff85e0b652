/** GPT-Neo: GPT-2 with a matrix a tensor, scores that are not scaled, and layers that see a window only. */
import type { Adapter } from './adapter.js';
import { ConfigFields } from './config-fields.js';
import { readUnembed, transformerPrefix } from './ends.js';
import { readLinear, readNorm, readTensor } from './read-tensor.js';

const EMBEDDING = 'wte.weight';

export const gptNeo: Adapter = {
  family: 'gpt_neo',
  tiedByDefault: true,
  embedding: EMBEDDING,

  architecture(config, where) {
    const fields = new ConfigFields(config, where, {
      num_heads: 'num_attention_heads',
      num_layers: 'num_hidden_layers',
    });
    const dModel = fields.count('hidden_size', 2048);
    const nHeads = fields.count('num_heads', 16);
    if (dModel % nHeads !== 0) throw fields.wrong('num_heads', `a divisor of hidden_size (${dModel})`);
    const nLayers = fields.layers('num_layers', 24);
    const positions = fields.count('max_position_embeddings', 2048);
    return {
      family: 'gpt_neo',
      nLayers,
      dModel,
      nHeads,
      nKvHeads: nHeads,
      dHead: dModel / nHeads,
      dMlp: fields.count('intermediate_size', 4 * dModel),
      nVocab: fields.count('vocab_size', 50257),
      // Within the window every position is seen, and attention is the plain one.
      nPositions: hasLocalLayers(fields) ? Math.min(positions, fields.count('window_size', 256)) : positions,
      norm: 'layer',
      normEpsilon: fields.number('layer_norm_epsilon', 1e-5),
      activation: fields.activation('activation_function', 'gelu_new'),
      gatedMlp: false,
      parallelResidual: false,
      attentionScale: Array.from({ length: nLayers }, () => 1),
      // A LayerNorm's bias becomes one of what reads it.
      biases: { q: true, k: true, v: true, o: true, mlpIn: true, mlpGate: false, mlpOut: true },
    };
  },

  async layer(source, { dModel: d, dMlp }, layer) {
    const at = `${transformerPrefix(source, EMBEDDING)}h.${layer}.`;
    const attention = (name: string, biased: boolean) =>
      readLinear(source, `${at}attn.attention.${name}`, d, d, biased);
    return {
      attentionNorm: await readNorm(source, `${at}ln_1`, d),
      mlpNorm: await readNorm(source, `${at}ln_2`, d),
      q: await attention('q_proj', false),
      k: await attention('k_proj', false),
      v: await attention('v_proj', false),
      o: await attention('out_proj', true),
      mlpIn: await readLinear(source, `${at}mlp.c_fc`, d, dMlp, true),
      mlpGate: null,
      mlpOut: await readLinear(source, `${at}mlp.c_proj`, dMlp, d, true),
    };
  },

  async ends(source, { dModel, nVocab, nPositions }, config) {
    const at = transformerPrefix(source, EMBEDDING);
    const stored = new ConfigFields(config, source.path).count('max_position_embeddings', 2048);
    const positions = await readTensor(source, `${at}wpe.weight`, [stored, dModel]);
    return {
      ...(await readUnembed(source, { embedding: at + EMBEDDING, nVocab, dModel })),
      positions: positions.slice(0, nPositions * dModel),
      finalNorm: await readNorm(source, `${at}ln_f`, dModel),
    };
  },
};

/** `attention_types` is a list of [pattern, how often it repeats]. */
function hasLocalLayers(fields: ConfigFields): boolean {
  const types = fields.value('attention_types') ?? [[['global', 'local'], 12]];
  const patterns = Array.isArray(types)
    ? types.map((each) => (Array.isArray(each) ? each[0] : null))
    : [null];
  if (
    !patterns.every(
      (each) => Array.isArray(each) && each.every((type) => type === 'global' || type === 'local'),
    )
  )
    throw fields.wrong('attention_types', 'a list of [["global" or "local", …], times]');
  return patterns.flat().includes('local');
}
