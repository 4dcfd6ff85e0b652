/** Both ends of the model as matrices by token. */
import type { Architecture } from '../models/architecture.js';
import { transpose } from '../models/matrix.js';
import { centreRows } from '../models/weight-forms.js';
import type { EndWeights } from '../models/weights.js';
import { normFactor } from './logit-reader.js';

/** W_U without what all tokens share, and behind the final norm's mean: [dModel, nVocab]. */
export function logitColumns({ unembed }: EndWeights, { norm }: Architecture): Float32Array {
  const { rows, cols, weight } = unembed;
  const out = new Float32Array(weight);
  centreRows(out, rows, cols);
  if (norm === 'layer') {
    const means = new Float64Array(cols);
    for (let r = 0; r < rows; r++) addPart(means, out.subarray(r * cols, (r + 1) * cols), rows);
    for (let r = 0; r < rows; r++) addPart(out.subarray(r * cols, (r + 1) * cols), means, -1);
  }
  return out;
}

/** norm(E_t) of every token, [dModel, nVocab]. */
export function normalisedColumns(embedding: Float32Array, architecture: Architecture): Float32Array {
  const { dModel: d, nVocab } = architecture;
  const rows = new Float32Array(embedding.length);
  for (let token = 0; token < nVocab; token++)
    normalise(embedding.subarray(token * d, (token + 1) * d), architecture, rows.subarray(token * d));
  return transpose(rows, nVocab, d);
}

/** A row as a matrix behind the normalisation reads it; gains are in the weights. */
export function normalised(row: Float32Array, architecture: Architecture): Float32Array {
  const out = new Float32Array(row.length);
  normalise(row, architecture, out);
  return out;
}

// Each row in a function of its own, as in weight-forms.ts: a whole vocabulary in one loop takes several times as long.

function normalise(row: Float32Array, architecture: Architecture, out: Float32Array): void {
  const factor = normFactor(row, architecture);
  const mean = architecture.norm === 'layer' ? meanOf(row) : 0;
  for (let i = 0; i < row.length; i++) out[i] = factor * (row[i]! - mean);
}

function meanOf(row: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < row.length; i++) sum += row[i]!;
  return sum / row.length;
}

/** Adds values, divided. */
function addPart(
  target: Float32Array | Float64Array,
  values: Float32Array | Float64Array,
  divisor: number,
): void {
  for (let c = 0; c < target.length; c++) target[c]! += values[c]! / divisor;
}
