/** Both ends of the model as matrices by token. */
import type { Architecture } from '../models/architecture.js';
import type { EndWeights } from '../models/weights.js';
import { normFactor } from './logit-reader.js';

/** W_U without what all tokens share, and behind the final norm's mean: [dModel, nVocab]. */
export function logitColumns({ unembed }: EndWeights, { norm }: Architecture): Float32Array {
  const { rows, cols, weight } = unembed;
  const out = new Float32Array(weight);
  for (let r = 0; r < rows; r++) {
    const row = out.subarray(r * cols, (r + 1) * cols);
    const mean = row.reduce((sum, value) => sum + value, 0) / cols;
    for (let c = 0; c < cols; c++) row[c]! -= mean;
  }
  if (norm === 'layer')
    for (let c = 0; c < cols; c++) {
      let mean = 0;
      for (let r = 0; r < rows; r++) mean += out[r * cols + c]! / rows;
      for (let r = 0; r < rows; r++) out[r * cols + c]! -= mean;
    }
  return out;
}

/** norm(E_t) of every token, [dModel, nVocab]. */
export function normalisedColumns(embedding: Float32Array, architecture: Architecture): Float32Array {
  const { dModel: d, nVocab } = architecture;
  const out = new Float32Array(embedding.length);
  for (let token = 0; token < nVocab; token++)
    normalised(embedding.subarray(token * d, (token + 1) * d), architecture).forEach((value, i) => {
      out[i * nVocab + token] = value;
    });
  return out;
}

/** A row as a matrix behind the normalisation reads it; gains are in the weights. */
export function normalised(row: Float32Array, architecture: Architecture): Float32Array {
  const factor = normFactor(row, architecture);
  const mean = architecture.norm === 'layer' ? row.reduce((sum, value) => sum + value, 0) / row.length : 0;
  return row.map((value) => factor * (value - mean));
}
