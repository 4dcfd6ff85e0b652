/** All matrices that a decomposition of GPT-2 small takes apart, in their shapes, with random weights. */
import { Random } from '../src/random.js';

export interface FactoredMatrix {
  kind: 'qk' | 'ov' | 'mlp_in' | 'mlp_out';
  /** W = a · b, or a alone; row-major, on shared memory. */
  a: Float32Array;
  b: Float32Array | null;
  rows: number;
  inner: number;
  cols: number;
}

const LAYERS = 12;
const HEADS = 12;
const [D, H, MLP] = [768, 64, 3072];

/**
 * 24 MLP matrices, then 288 heads: largest first. MLP matrices are centred as the reference weight form does it,
 * which leaves each with one direction that carries next to nothing.
 */
export function gpt2SmallMatrices(seed: number): FactoredMatrix[] {
  const matrices: FactoredMatrix[] = [];
  for (let layer = 0; layer < LAYERS; layer++) {
    const random = new Random(seed).fork(`layer ${layer}`);
    matrices.push(
      { kind: 'mlp_in', a: mlpIn(random), b: null, rows: D + 1, inner: MLP, cols: MLP },
      { kind: 'mlp_out', a: mlpOut(random), b: null, rows: MLP + 1, inner: D, cols: D },
    );
  }
  for (let head = 0; head < LAYERS * HEADS; head++) {
    const random = new Random(seed).fork(`head ${head}`);
    const part = (rows: number, cols: number) => weights(random, rows, cols);
    matrices.push(
      { kind: 'qk', a: part(D + 1, H), b: part(H, D + 1), rows: D + 1, inner: H, cols: D + 1 },
      { kind: 'ov', a: part(D + 1, H + 1), b: part(H + 1, D), rows: D + 1, inner: H + 1, cols: D },
    );
  }
  return matrices;
}

/** [bias; W_in], each column of W_in less its mean. */
function mlpIn(random: Random): Float32Array {
  const w = weights(random, D + 1, MLP);
  for (let c = 0; c < MLP; c++) {
    let mean = 0;
    for (let r = 1; r <= D; r++) mean += w[r * MLP + c]! / D;
    for (let r = 1; r <= D; r++) w[r * MLP + c]! -= mean;
  }
  return w;
}

/** [bias; W_out], each row less its mean. */
function mlpOut(random: Random): Float32Array {
  const w = weights(random, MLP + 1, D);
  for (let r = 0; r <= MLP; r++) {
    const row = w.subarray(r * D, (r + 1) * D);
    const mean = row.reduce((sum, x) => sum + x, 0) / D;
    for (let c = 0; c < D; c++) row[c]! -= mean;
  }
  return w;
}

function weights(random: Random, rows: number, cols: number): Float32Array {
  const w = new Float32Array(new SharedArrayBuffer(4 * rows * cols));
  for (let i = 0; i < w.length; i++) w[i] = 0.4 * (random.uniform() - 0.5);
  return w;
}
