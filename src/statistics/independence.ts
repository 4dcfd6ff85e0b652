/**
 * Does what a circuit leaves out say nothing of the model (Shi et al., arXiv 2410.13032)? By the Hilbert-Schmidt
 * independence criterion (Gretton et al. 2005), which sees any dependence, not only a linear one.
 */
import { Random } from '../random.js';
import { quantile } from './summary.js';

export interface Independence {
  /** tr(KHLH)/(n−1)², at least 0. */
  hsic: number;
  /** Of both Gaussian kernels exp(−d²/2b²): the median of |x_i − y_j|. */
  bandwidth: number;
  p: number;
}

/**
 * Null hypothesis: x and y are independent. p = (1 + permutations of y with as large a criterion) / (1 + permutations).
 * Takes time of permutations · n², and memory of 2n².
 *
 * @param x e.g. the complement's score of each prompt
 * @param y e.g. the model's, of the same prompts
 */
export function independence(
  x: ArrayLike<number>,
  y: ArrayLike<number>,
  { permutations, seed }: { permutations: number; seed: number },
): Independence {
  const n = x.length;
  const bandwidth = medianDistance(x, y);
  const k = centred(kernel(x, bandwidth), n);
  const l = kernel(y, bandwidth);
  const random = new Random(seed).fork('independence');
  const order = Array.from({ length: n }, (_, i) => i);
  const hsic = criterion(k, l, order);
  let asLarge = 1;
  for (let draw = 0; draw < permutations; draw++)
    // Rounding makes equal sums differ.
    asLarge += Number(criterion(k, l, random.shuffle(order)) >= hsic * (1 - 1e-12));
  return { hsic, bandwidth, p: asLarge / (permutations + 1) };
}

function medianDistance(x: ArrayLike<number>, y: ArrayLike<number>): number {
  const distances = new Float64Array(x.length * y.length);
  for (let i = 0; i < x.length; i++)
    for (let j = 0; j < y.length; j++) distances[i * y.length + j] = Math.abs(x[i]! - y[j]!);
  return quantile(distances.sort(), 0.5);
}

/** [n, n]. With a bandwidth of 0 only equal values are alike. */
function kernel(values: ArrayLike<number>, bandwidth: number): Float64Array {
  const n = values.length;
  const out = new Float64Array(n * n);
  for (let i = 0; i < n; i++)
    for (let j = 0; j < n; j++) {
      const distance = values[i]! - values[j]!;
      out[i * n + j] = distance === 0 ? 1 : Math.exp(-((distance / bandwidth) ** 2) / 2);
    }
  return out;
}

/** HKH with H = I − 11ᵀ/n, of a symmetric K. */
function centred(k: Float64Array, n: number): Float64Array {
  const means = Array.from({ length: n }, (_, i) => sum(k.subarray(i * n, (i + 1) * n)) / n);
  const mean = sum(means) / n;
  return k.map((value, at) => value - means[Math.floor(at / n)]! - means[at % n]! + mean);
}

/** tr(HKH · L)/(n−1)², L's rows and columns in the given order. */
function criterion(k: Float64Array, l: Float64Array, order: readonly number[]): number {
  const n = order.length;
  let total = 0;
  for (let i = 0; i < n; i++) {
    const row = order[i]! * n;
    for (let j = 0; j < n; j++) total += k[i * n + j]! * l[row + order[j]!]!;
  }
  return total / (n - 1) ** 2;
}

function sum(values: ArrayLike<number>): number {
  let total = 0;
  for (let i = 0; i < values.length; i++) total += values[i]!;
  return total;
}
