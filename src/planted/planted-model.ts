/**
 * A transformer whose circuit is known: a mechanism with weights set by hand, distractors of a chosen strength, and a
 * stream turned at random, in the layout of GPT-2. Everything follows from the options and the seed.
 *
 * LayerNorm is no exception that has to be made: all axes have mean 0, and every embedding is brought to length
 * √d by an axis that nothing reads. So a LayerNorm leaves embeddings as they are, and later streams but for the few per
 * cent by which writing lengthens them.
 */
import { Random } from '../random.js';
import type { Draw } from '../tasks/task.js';
import type { Blueprint, Head } from './blueprint.js';
import { type Code, combine, dot, scaled } from './codes.js';
import { addDistractors, type DistractorOptions } from './distractors.js';
import { Frame, randomRotation } from './frame.js';
import { MECHANISMS, type Mechanism } from './mechanisms/mechanisms.js';
import type { MechanismOptions } from './mechanisms/options.js';
import { type PlantedTruth, plantedTruth } from './planted-truth.js';

export interface PlantedOptions extends MechanismOptions, DistractorOptions {
  mechanism: Mechanism;
  /** Turn the stream's axes at random; otherwise they are one-hot but for what keeps their mean at 0. */
  rotated: boolean;
  seed: number;
}

export const PLANTED_DEFAULTS: Omit<PlantedOptions, 'mechanism' | 'seed'> = {
  unused: 4,
  crowding: 1,
  heads: 2,
  neurons: 12,
  terms: 4,
  strength: 1,
  overlap: 0,
  rotated: true,
};

export interface PlantedModel {
  words: string[];
  /** Row-major, by the names of Hugging Face's GPT-2. */
  tensors: Map<string, { shape: number[]; data: Float32Array }>;
  shape: { layers: number; heads: number; dModel: number; dMlp: number; positions: number };
  truth: PlantedTruth;
  draw: Draw;
}

export function plantModel({ mechanism, seed, rotated, ...options }: PlantedOptions): PlantedModel {
  const random = new Random(seed);
  const blueprint = MECHANISMS[mechanism](random.fork('mechanism'), options);
  addDistractors(blueprint, options, random.fork('distractors'));
  const ballast = blueprint.axes.one();
  const { blocks } = blueprint;
  const heads = Math.max(...blocks.map((block) => block.heads.length));
  const rank = Math.max(
    ...blocks.flatMap((block) => block.heads.map(({ qk, ov }) => Math.max(qk.length, ov.length))),
  );
  // One dimension more than axes: they all have mean 0.
  const dHead = Math.max(rank, Math.ceil((blueprint.axes.count + 1) / heads));
  const shape = {
    layers: blocks.length,
    heads,
    dModel: heads * dHead,
    dMlp: Math.max(1, ...blocks.map(({ neurons }) => neurons.length)),
    positions: blueprint.positions.length,
  };
  const frame = new Frame(shape.dModel, rotated ? random.fork('rotation') : null);
  return {
    words: blueprint.words,
    tensors: tensorsOf(blueprint, ballast, shape, frame, random.fork('heads')),
    shape,
    truth: plantedTruth(blueprint, frame),
    draw: blueprint.draw,
  };
}

type Shape = PlantedModel['shape'];

function tensorsOf(
  { embed, positions, unembed, blocks }: Blueprint,
  ballast: Code,
  { heads, dModel: d, dMlp }: Shape,
  frame: Frame,
  random: Random,
): PlantedModel['tensors'] {
  const tensors: PlantedModel['tensors'] = new Map();
  const add = (name: string, shape: number[], data: ArrayLike<number>) =>
    tensors.set(name, { shape, data: Float32Array.from(data) });
  const rows = (codes: readonly Code[]) => codes.flatMap((code) => [...frame.vector(code)]);
  // Every word and position together have the squared length d.
  const brought = (code: Code) => {
    const left = d - dot(code, code) - dot(positions[0]!, positions[0]!);
    return combine([code, 1], [ballast, Math.sqrt(left)]);
  };
  // Token 0 is the unknown one.
  const nothing: Code = new Map();
  add('transformer.wte.weight', [embed.length + 1, d], rows([nothing, ...embed].map(brought)));
  add('transformer.wpe.weight', [positions.length, d], rows(positions));
  add('lm_head.weight', [unembed.length + 1, d], rows([nothing, ...unembed]));
  const norm = (name: string) => {
    add(`${name}.weight`, [d], new Float32Array(d).fill(1));
    add(`${name}.bias`, [d], new Float32Array(d));
  };
  norm('transformer.ln_f');
  for (const [layer, block] of blocks.entries()) {
    const at = `transformer.h.${layer}`;
    norm(`${at}.ln_1`);
    norm(`${at}.ln_2`);
    const { attention, output } = attentionMatrices(block.heads, heads, frame, random);
    add(`${at}.attn.c_attn.weight`, [d, 3 * d], attention);
    add(`${at}.attn.c_attn.bias`, [3 * d], new Float32Array(3 * d));
    add(`${at}.attn.c_proj.weight`, [d, d], output);
    add(`${at}.attn.c_proj.bias`, [d], new Float32Array(d));
    const [into, biases, out] = [
      new Float64Array(d * dMlp),
      new Float64Array(dMlp),
      new Float64Array(dMlp * d),
    ];
    for (const [at, { read, bias, write }] of block.neurons.entries()) {
      frame.vector(read).forEach((value, row) => {
        into[row * dMlp + at] = value;
      });
      biases[at] = bias;
      out.set(frame.vector(write), at * d);
    }
    add(`${at}.mlp.c_fc.weight`, [d, dMlp], into);
    add(`${at}.mlp.c_fc.bias`, [dMlp], biases);
    add(`${at}.mlp.c_proj.weight`, [dMlp, d], out);
    add(`${at}.mlp.c_proj.bias`, [d], new Float32Array(d));
  }
  return tensors;
}

/** Query, key and value of all heads, [d, 3d], and their output, [d, d]. Each term has one dimension of its head, turned. */
function attentionMatrices(
  blockHeads: readonly Head[],
  heads: number,
  frame: Frame,
  random: Random,
): { attention: Float64Array; output: Float64Array } {
  const d = frame.width;
  const dHead = d / heads;
  const [attention, output] = [new Float64Array(d * 3 * d), new Float64Array(d * d)];
  for (const [head, { qk, ov }] of blockHeads.entries()) {
    const from = head * dHead;
    const addRead = (part: number, vector: Float64Array, dimension: Float64Array) =>
      vector.forEach((value, row) => {
        for (let i = 0; i < dHead; i++)
          attention[row * 3 * d + part * d + from + i]! += value * dimension[i]!;
      });
    const dimensions = () => randomRotation(dHead, random);
    const scores = dimensions();
    for (const [i, { read, write }] of qk.entries()) {
      addRead(0, frame.vector(scaled(read, Math.sqrt(dHead))), scores[i]!);
      addRead(1, frame.vector(write), scores[i]!);
    }
    const values = dimensions();
    for (const [i, { read, write }] of ov.entries()) {
      addRead(2, frame.vector(read), values[i]!);
      const written = frame.vector(write);
      for (let row = 0; row < dHead; row++)
        for (let col = 0; col < d; col++) output[(from + row) * d + col]! += values[i]![row]! * written[col]!;
    }
  }
  return { attention, output };
}
