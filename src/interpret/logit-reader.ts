/** A logit difference as a linear reader of the stream: what anything that is written adds to it. */
import type { Architecture } from '../models/architecture.js';
import type { EndWeights } from '../models/weights.js';
import { cappedShare } from './score-sum.js';

export interface LogitReader {
  /** [dModel]: a vector in the last stream adds its product with this, times the final norm's factor. */
  weights: Float64Array;
  /** What the unembedding's bias adds. No direction writes it. */
  bias: number;
}

/** Tokens whose mean logits are compared. */
export interface Contrast {
  answers: ArrayLike<number>;
  distractors: ArrayLike<number>;
}

/**
 * Reads mean logit of the answers − mean logit of the distractors, the final norm's mean included.
 * @param logits of the model after the prompt, [nVocab]: where logits are capped, each token's cap is frozen at what it
 * made of that token's logit
 */
export function logitReader(
  { unembed }: EndWeights,
  { dModel: d, norm, logitCap }: Architecture,
  { answers, distractors }: Contrast,
  logits: Float32Array,
): LogitReader {
  const weights = new Float64Array(d);
  let bias = 0;
  const read = (tokens: ArrayLike<number>, sign: number) => {
    for (const token of Array.from(tokens)) {
      const factor = (sign / tokens.length) * frozenCap(logits[token]!, logitCap);
      for (let i = 0; i < d; i++) weights[i]! += factor * unembed.weight[i * unembed.cols + token]!;
      bias += factor * (unembed.bias?.[token] ?? 0);
    }
  };
  read(answers, 1);
  read(distractors, -1);
  if (norm === 'layer') subtractMean(weights);
  return { weights, bias };
}

/** Mean logit of the answers − mean logit of the distractors. */
export function logitDifference(logits: Float32Array, { answers, distractors }: Contrast): number {
  const mean = (tokens: ArrayLike<number>) =>
    Array.from(tokens).reduce((sum, token) => sum + logits[token]!, 0) / tokens.length;
  return mean(answers) - mean(distractors);
}

function frozenCap(capped: number, cap: number | undefined): number {
  return cap === undefined ? 1 : cappedShare(cap * Math.atanh(capped / cap), cap);
}

function subtractMean(vector: Float64Array): void {
  const mean = vector.reduce((sum, value) => sum + value, 0) / vector.length;
  for (let i = 0; i < vector.length; i++) vector[i]! -= mean;
}

/** The factor of a normalisation of one row (its gain is in the weights): 1/√(variance or mean square + ε). */
export function normFactor(row: ArrayLike<number>, { norm, normEpsilon }: Architecture): number {
  const values = new Float64Array(row);
  if (norm === 'layer') subtractMean(values);
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i]! * values[i]!;
  return 1 / Math.sqrt(sum / values.length + normEpsilon);
}

/** The factor of a normalisation of what a matrix wrote (`LayerWeights.norms`); 1 where there is none. */
export function outputFactor(
  row: ArrayLike<number>,
  weights: Float32Array | undefined,
  epsilon: number,
): number {
  if (!weights) return 1;
  let sum = epsilon;
  for (let i = 0; i < row.length; i++) sum += weights[i]! * row[i]! ** 2;
  return 1 / Math.sqrt(sum);
}
