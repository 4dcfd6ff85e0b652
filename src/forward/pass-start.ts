/** What a pass begins with: embeddings, attention bias and rotary tables, and what the prompts have in common. */
import * as tf from '@tensorflow/tfjs-core';
import type { Heads } from '../engine/ops/attention.js';
import { type RotaryTable, rotaryTable, rotaryTableAt } from '../engine/ops/rotary.js';
import { toTensor } from '../engine/tensor.js';
import type { Architecture, Rotary } from '../models/architecture.js';
import type { Kind } from '../models/components.js';
import type { LayerBases } from './bases.js';
import type { BlockInput } from './block-input.js';
import type { Positions } from './masking-rules.js';
import { causalBias, type Embedding, embedPrompts, longestOf } from './padded-prompts.js';
import type { KeysValues, Past } from './past.js';
import { coefficientsOf, type Hooks, lowestPulled, replacesStream } from './places.js';
import type { PlainLayer } from './plain-layer.js';
import { PrefixPass, type Spread, sharedTokens } from './shared-prefix.js';

/** How prompts are run. */
export interface PassOptions {
  /** What is read, replaced and pulled back, and where; not disposed of. */
  hooks?: Hooks;
  /** At which positions OV and MLP coefficients have their places; the last ones by default. */
  positions?: Positions;
  /** Which positions the last block computes, and the final state has; the last ones by default. */
  ends?: Positions;
  /**
   * Where given, what all prompts begin with is computed once, if that is enough ({@link sharedTokens}): then `hooks` see
   * the positions after it alone, and these what is in common, as if it were a prompt of its own.
   */
  ahead?: Hooks | null;
}

export interface StartOptions extends PassOptions {
  /** Stand in for a layer's own; not disposed of. */
  bases?: readonly LayerBases[];
  /** Of the positions before the stream's, which then is the last one alone. Disposed of in the pass. */
  past?: Past | null;
  /** Position of the first column for rotations, where there is no past. */
  first?: number;
  /** Whether keys and values are wanted of each block. */
  keysWanted?: boolean;
}

/** A pass that is about to begin; running it disposes of it. */
export interface Start {
  inputs: BlockInput[];
  stream: tf.Tensor3D;
  /** Attention bias and rotary tables, of all blocks. */
  shared: (tf.Tensor | RotaryTable)[];
  past: Iterable<KeysValues<Heads>> | null;
  /** The past, where it is a common beginning. */
  prefix: PrefixPass | null;
  hooks: Hooks;
}

export function disposeStart({ stream, shared }: Start): void {
  tf.dispose([stream, shared] as unknown as tf.TensorContainer);
}

/** Starts passes of one model's layers. */
export class PassStarter {
  /** By batch, as long as somebody holds it: steps on the same one follow each other. */
  private readonly embedded = new WeakMap<readonly Int32Array[], Float32Array>();

  constructor(
    /** As it is computed: its normalisations are no more than the weight form needs. */
    private readonly architecture: Architecture,
    /** As it is where something of another origin joins the stream. */
    private readonly original: Architecture,
    private readonly layers: readonly (PlainLayer & LayerBases)[],
    private readonly embedding: Embedding,
    /** Positions that must be saved in a batch so that its common beginning is computed apart. */
    private readonly least: number,
  ) {}

  /** Embeds prompts, and makes ready what the blocks need. */
  start(prompts: readonly Int32Array[], options: StartOptions): Start {
    const { hooks = {}, past = null, ahead = null, first = 0 } = options;
    const tokens = past || !ahead ? 0 : sharedTokens(prompts, this.least);
    if (!ahead || tokens === 0) {
      const columns = past ? { count: 1, first: 0 } : { count: longestOf(prompts), first };
      return { ...this.stretch(prompts, columns, options), past, prefix: null, hooks };
    }
    const lowest = lowestPulled(ahead);
    const before = this.stretch(
      [prompts[0]!.subarray(0, tokens)],
      { count: tokens, first },
      { ...options, hooks: ahead, keysWanted: true },
    );
    const columns = { count: longestOf(prompts) - tokens, first: first + tokens, shared: tokens };
    const after = this.stretch(prompts, columns, { ...options, pastMoves: (layer) => layer > lowest });
    const turns = this.turnsOf(prompts, tokens);
    const shared = [before.stream, ...before.shared, ...turns.values(), ...after.shared];
    const { rotary } = this.architecture;
    const spread: Spread = {
      batch: prompts.length,
      turns: this.layers.map((_, layer) => (rotary && turns.get(rotary[layer]!)) ?? null),
    };
    const pass = new PrefixPass(before.inputs, before.stream, spread);
    return { ...after, shared, past: pass, prefix: pass, hooks };
  }

  /** Positions that follow each other, of all prompts: their embeddings, and what the blocks need to run them. */
  private stretch(
    prompts: readonly Int32Array[],
    { count, first, shared = 0 }: { count: number; first: number; shared?: number },
    {
      hooks = {},
      bases,
      positions = 'last',
      ends = 'last',
      keysWanted = false,
      pastMoves = () => false,
    }: StartOptions & { pastMoves?: (layer: number) => boolean },
  ): Pick<Start, 'inputs' | 'stream' | 'shared'> {
    this.check(hooks);
    const architecture = replacesStream(hooks) ? this.original : this.architecture;
    const attentionBias = causalBias(prompts, count, shared);
    // Most models turn alike in all layers: one table for each way of turning.
    const tables = new Map<Rotary, RotaryTable>();
    for (const rotary of new Set(architecture.rotary)) tables.set(rotary, rotaryTable(rotary, count, first));
    const lowest = lowestPulled(hooks);
    const inputs = this.layers.map(
      (weights, layer): BlockInput => ({
        architecture,
        layer,
        weights: { ...weights, ...bases?.[layer] },
        hooks: hooks.blocks?.[layer] ?? {},
        positions,
        lastOnly: ends === 'last' && layer === this.layers.length - 1,
        trace: layer >= lowest,
        keysWanted,
        past: null,
        pastMoves: pastMoves(layer),
        attentionBias,
        rotary: architecture.rotary ? tables.get(architecture.rotary[layer]!)! : null,
      }),
    );
    const stream = this.embed(prompts, count, shared);
    return { inputs, stream, shared: [attentionBias, ...tables.values()] };
  }

  /** What keys of a common beginning are turned by: by how much less a prompt is long than the longest one. */
  private turnsOf(prompts: readonly Int32Array[], tokens: number): Map<Rotary, RotaryTable> {
    const longest = longestOf(prompts);
    const turns = new Map<Rotary, RotaryTable>();
    if (prompts.every((ids) => ids.length === longest)) return turns;
    const by = prompts.flatMap((ids) => new Array<number>(tokens).fill(longest - ids.length));
    for (const rotary of new Set(this.architecture.rotary))
      turns.set(rotary, rotaryTableAt({ ...rotary, scale: 1 }, by));
    return turns;
  }

  private embed(prompts: readonly Int32Array[], count: number, shared: number): tf.Tensor3D {
    const { dModel } = this.architecture;
    let embedded = this.embedded.get(prompts);
    if (embedded?.length !== prompts.length * count * dModel) {
      embedded = embedPrompts(prompts, this.embedding, dModel, count, shared);
      this.embedded.set(prompts, embedded);
    }
    return toTensor(embedded, [prompts.length, count, dModel]) as tf.Tensor3D;
  }

  /** @throws Error if a hook is on coefficients that are not there, or on a layer that is not */
  private check({ blocks = [] }: Hooks): void {
    blocks.forEach((hooks, layer) => {
      const weights = this.layers[layer];
      for (const place of Object.keys(hooks ?? {})) {
        const kind = place.replace('.coefficients', '') as Kind;
        const missing =
          place === coefficientsOf(kind) &&
          (kind === 'qk' || kind === 'ov' ? !weights?.[kind] : !weights?.mlp[kind]);
        if (!weights || missing) throw new Error(`nothing passes ${place} of layer ${layer}`);
      }
    });
  }
}
