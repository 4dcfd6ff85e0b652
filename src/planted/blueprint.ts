/** What a planted model is made of: rank-one terms of heads, neurons, and which of them carry the mechanism. */
import type { Draw } from '../tasks/task.js';
import { type Axes, type Code, combine } from './codes.js';

/** Adds (x·read) · write to what a matrix does; of a query-key matrix, the score (x_query·read) · (write·x_key). */
export interface Term {
  read: Code;
  write: Code;
}

/**
 * Where a mechanism acts: at the prompt's last token, or at earlier ones, where masks do not reach it unless all
 * positions are masked. Query-key masks act everywhere.
 */
export type Place = 'last' | 'earlier';

export interface Head {
  /** Scores, before softmax and after the usual 1/√dHead. */
  qk: Term[];
  ov: Term[];
  /** Of the mechanism's heads: what queries and attended positions hold, each state that the prompts bring about. */
  carries: { queries: Code[]; contexts: Code[]; at: Place } | null;
}

/** relu(x·read + bias) · write. */
export interface Neuron {
  read: Code;
  bias: number;
  write: Code;
}

export interface Block {
  heads: Head[];
  neurons: Neuron[];
  /** Of the mechanism's neurons, which come first: how many, and every state that the prompts bring about. */
  carries: { neurons: number; inputs: Code[]; at: Place } | null;
}

/** A mechanism as a transformer, without distractors; its truth can be read off. */
export interface Blueprint {
  axes: Axes;
  words: string[];
  /** Of each word. */
  embed: Code[];
  /** Of each position; prompts have exactly so many words. */
  positions: Code[];
  /** Logits are what the last stream holds along these, of each word. */
  unembed: Code[];
  blocks: Block[];
  /** A pair of prompts, words joined by spaces. */
  draw: Draw;
}

/**
 * The linear map that takes each code to another one: Σ from ⊗ to, as one term for each axis that is read. Exact where
 * codes are orthogonal; where they are crowded, each takes a little of the others along.
 */
export function mapping(from: readonly Code[], to: readonly Code[]): Term[] {
  const axes = new Set(from.flatMap((code) => [...code.keys()]));
  return [...axes].map((axis) => ({
    read: new Map([[axis, 1]]),
    write: combine(...from.map((code, i) => [to[i]!, code.get(axis) ?? 0] as const)),
  }));
}
