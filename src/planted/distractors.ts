/** Heads, neurons and directions of the mechanism's own matrices that do other things. */
import type { Random } from '../random.js';
import type { Block, Blueprint, Head, Neuron, Term } from './blueprint.js';
import { type Code, combine, dot, randomUnit, scaled } from './codes.js';
import { SCORE } from './mechanisms/options.js';

export interface DistractorOptions {
  /** Further heads in each layer. */
  heads: number;
  /** Further neurons in each layer. */
  neurons: number;
  /** Further directions in each of the mechanism's own matrices. */
  terms: number;
  /** Singular values over those of the mechanism, on average; 0: none that does anything. */
  strength: number;
  /**
   * 0: what distractors write is read by no mechanism, and those of the mechanism's own matrices read and write
   * something else than it does. Up to 1: they write where the mechanism does, and read what it reads.
   */
  overlap: number;
}

/** Axes that only distractors write. */
const SPARE_AXES = 8;
/** Directions of a distractor head. */
const RANK = 6;

/** Adds distractors in place. */
export function addDistractors(blueprint: Blueprint, options: DistractorOptions, random: Random): void {
  const spare = blueprint.axes.several(SPARE_AXES);
  const all = Array.from({ length: blueprint.axes.count }, (_, axis): Code => new Map([[axis, 1]]));
  const written = axesOf(
    blueprint.blocks.flatMap(({ heads, neurons }) => [...heads.flatMap(({ ov }) => ov), ...neurons]),
    'write',
  );
  const draw = new Draws(all, spare, written, options, random);
  for (const block of blueprint.blocks) addToBlock(block, draw, options);
}

function addToBlock(block: Block, draw: Draws, { heads, neurons, terms }: DistractorOptions): void {
  for (const { qk, ov } of block.heads) {
    const [queries, keys, contexts] = [axesOf(qk, 'read'), axesOf(qk, 'write'), axesOf(ov, 'read')];
    for (let i = 0; i < terms; i++) {
      // The mechanism has to attend as it does: so these are half as strong, and read nothing that distractors write.
      const [query, key] = [draw.beside(queries, draw.lasting), draw.beside(keys, draw.lasting)];
      qk.push(draw.score(query, scaled(key, 0.5)));
      ov.push(draw.output(draw.beside(contexts)));
    }
  }
  const read = axesOf(block.neurons, 'read');
  for (let i = 0; i < neurons; i++) block.neurons.push(draw.neuron(draw.beside(read)));
  for (let i = 0; i < heads; i++) block.heads.push(distractorHead(draw));
}

function distractorHead(draw: Draws): Head {
  const several = (term: () => Term) => Array.from({ length: RANK }, term);
  return {
    qk: several(() => draw.score(draw.beside([]), draw.beside([]))),
    ov: several(() => draw.output(draw.beside([]))),
    carries: null,
  };
}

class Draws {
  /** All axes but those that distractors write. */
  readonly lasting: readonly Code[];

  constructor(
    private readonly all: readonly Code[],
    private readonly spare: readonly Code[],
    private readonly written: readonly Code[],
    private readonly options: DistractorOptions,
    private readonly random: Random,
  ) {
    this.lasting = all.slice(0, -spare.length);
  }

  /** A unit code that leaves the axes of the mechanism alone, but for what overlap asks for. */
  beside(mechanism: readonly Code[], axes = this.all): Code {
    const free = axes.filter((axis) => mechanism.every((other) => dot(axis, other) === 0));
    return this.mixed(free, mechanism);
  }

  score(read: Code, key: Code): Term {
    return { read, write: scaled(key, SCORE * this.strength()) };
  }

  output(read: Code): Term {
    return { read, write: scaled(this.mixed(this.spare, this.written), this.strength()) };
  }

  neuron(read: Code): Neuron {
    return { ...this.output(scaled(read, 2)), bias: 0 };
  }

  private mixed(own: readonly Code[], mechanism: readonly Code[]): Code {
    const { overlap } = this.options;
    if (overlap === 0 || mechanism.length === 0) return randomUnit(own, this.random);
    return combine(
      [randomUnit(own, this.random), Math.sqrt(1 - overlap ** 2)],
      [randomUnit(mechanism, this.random), overlap],
    );
  }

  private strength(): number {
    return this.options.strength * (0.75 + this.random.uniform() / 2);
  }
}

/** The axes that some terms read or write, each once. */
function axesOf(terms: readonly Term[], side: 'read' | 'write'): Code[] {
  return [...new Set(terms.flatMap((term) => [...term[side].keys()]))].map((axis) => new Map([[axis, 1]]));
}
