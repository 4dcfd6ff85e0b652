/** The shape of a transformer, whatever family it comes from: all that later stages may ask about a model. */

export type Activation = 'gelu_new' | 'gelu' | 'relu' | 'silu';

/** Rotary positions in the halves layout: dimension i turns together with i + dims/2. */
export interface Rotary {
  /** How many leading dimensions of each head are rotated (even, ≤ dHead). */
  dims: number;
  /** Angle per position of each rotated pair, length dims / 2 (scaling variants are already applied). */
  frequencies: number[];
  /** Factor on cos and sin (yarn); 1 otherwise. */
  scale: number;
}

/** Sizes of a transformer, and all that changes its forward pass. */
export interface Architecture {
  /** `model_type` of the Hugging Face config. */
  family: string;
  nLayers: number;
  dModel: number;
  nHeads: number;
  /** Key/value heads; nHeads unless queries are grouped. Query head h reads key head ⌊h·nKvHeads/nHeads⌋. */
  nKvHeads: number;
  dHead: number;
  dMlp: number;
  nVocab: number;
  /** Longest prompt the model takes, in tokens. */
  nPositions: number;
  /** `layer` subtracts the mean first, `rms` does not. Gains and biases are always folded away. */
  norm: 'layer' | 'rms';
  normEpsilon: number;
  activation: Activation;
  /** True: hidden = activation(gate) · up. False: hidden = activation(in). */
  gatedMlp: boolean;
  /** True: attention and MLP read the same stream and are added together (GPT-NeoX). */
  parallelResidual: boolean;
  /** One a layer; absent where positions are learned and added to the embedding. */
  rotary?: readonly Rotary[];
  /** Factor on q·k before the softmax, one a layer; usually 1/√dHead everywhere. */
  attentionScale: readonly number[];
  /** Scaled scores s become cap·tanh(s/cap) (Gemma 2); absent: they stay. */
  scoreCap?: number;
  /** The same for the logits. */
  logitCap?: number;
  /** ε of the RMSNorm of each head's queries and keys (Qwen 3, Gemma 3); absent: none. */
  queryKeyNorm?: number;
  /** True: what attention and MLP write passes an RMSNorm of its own first (Gemma 2 and 3). */
  postNorms?: boolean;
  /** Which matrices have a bias once normalisations are folded in; a bias adds a row to the augmented matrix. */
  biases: {
    q: boolean;
    k: boolean;
    v: boolean;
    o: boolean;
    mlpIn: boolean;
    mlpGate: boolean;
    mlpOut: boolean;
  };
}

/** The key/value head that a query head reads. */
export function kvHeadOf(
  head: number,
  { nHeads, nKvHeads }: Pick<Architecture, 'nHeads' | 'nKvHeads'>,
): number {
  return Math.floor((head * nKvHeads) / nHeads);
}
