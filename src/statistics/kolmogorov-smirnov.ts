/** Kolmogorov and Smirnov's tests: do values follow a distribution, do two samples share theirs? Two-sided. */

export interface KolmogorovSmirnov {
  /** Largest distance between the two distribution functions. */
  d: number;
  p: number;
}

/**
 * Are these values, each in [0, 1], uniform? For another distribution, give its distribution function of the values.
 * The p-value is exact.
 */
export function againstUniform(values: ArrayLike<number>): KolmogorovSmirnov {
  const n = values.length;
  const sorted = Array.from(values).sort((a, b) => a - b);
  const d = Math.max(...sorted.map((value, i) => Math.max((i + 1) / n - value, value - i / n)));
  return { d, p: Math.min(1, Math.max(0, 1 - below(d, n))) };
}

/**
 * Do two samples come from one distribution? Exact for values without ties; with ties p errs upwards.
 * Takes time and memory of the product of both sizes and of the smaller size.
 */
export function twoSamples(a: ArrayLike<number>, b: ArrayLike<number>): KolmogorovSmirnov {
  const [n, m] = [a.length, b.length];
  const [x, y] = [a, b].map((values) => Array.from(values).sort((p, q) => p - q)) as [number[], number[]];
  let [i, j, furthest] = [0, 0, 0];
  while (i < n && j < m) {
    const value = Math.min(x[i]!, y[j]!);
    while (x[i] === value) i++;
    while (y[j] === value) j++;
    // In whole numbers, n·m times the distance: so equal distances compare equal below.
    furthest = Math.max(furthest, Math.abs(i * m - j * n));
  }
  return { d: furthest / (n * m), p: reaching(furthest, n, m) };
}

/**
 * Share of the paths from (0, 0) to (n, m), a step right or up at a time, that somewhere have |i·m − j·n| ≥ furthest.
 * Of the paths to (i, j), the share i/(i + j) comes from (i − 1, j).
 */
function reaching(furthest: number, n: number, m: number): number {
  const share = new Float64Array(m + 1);
  for (let i = 0; i <= n; i++)
    for (let j = 0; j <= m; j++) {
      if (Math.abs(i * m - j * n) >= furthest) share[j] = 1;
      else if (i + j > 0) share[j] = ((i ? share[j]! : 0) * i + (j ? share[j - 1]! : 0) * j) / (i + j);
    }
  return share[m]!;
}

/**
 * P(D_n < d), by the n-th power of a matrix (J. Marsaglia, W. Tsang and J. Wang, "Evaluating Kolmogorov's
 * distribution", 2003, after Durbin). With k = ⌈nd⌉ and h = k − nd, the matrix has 2k − 1 rows.
 */
function below(d: number, n: number): number {
  if (n * d <= 0.5) return 0;
  if (d >= 1) return 1;
  const k = Math.ceil(n * d);
  const h = k - n * d;
  const size = 2 * k - 1;
  const factorials = [1];
  for (let i = 1; i <= size; i++) factorials.push(factorials[i - 1]! * i);
  const matrix = new Float64Array(size * size);
  for (let i = 0; i < size; i++)
    for (let j = 0; j < size; j++) {
      let value = i - j + 1 >= 0 ? 1 : 0;
      if (j === 0) value -= h ** (i + 1);
      if (i === size - 1) value -= h ** (size - j);
      if (i === size - 1 && j === 0 && 2 * h - 1 > 0) value += (2 * h - 1) ** size;
      matrix[i * size + j] = value / (i - j + 1 > 0 ? factorials[i - j + 1]! : 1);
    }
  const { values, exponent } = power(matrix, size, n);
  let logarithm = Math.log(values[(k - 1) * size + k - 1]!) + exponent;
  // n!/n^n
  for (let i = 1; i <= n; i++) logarithm += Math.log(i / n);
  return Math.exp(logarithm);
}

/** A power of a square matrix as values · e^exponent, by repeated squares. */
function power(matrix: Float64Array, size: number, n: number): { values: Float64Array; exponent: number } {
  if (n === 1) return { values: matrix, exponent: 0 };
  const half = power(matrix, size, Math.floor(n / 2));
  let values = product(half.values, half.values, size);
  if (n % 2 === 1) values = product(values, matrix, size);
  const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return { values: values.map((value) => value / largest), exponent: 2 * half.exponent + Math.log(largest) };
}

function product(a: Float64Array, b: Float64Array, size: number): Float64Array {
  const out = new Float64Array(size * size);
  for (let i = 0; i < size; i++)
    for (let k = 0; k < size; k++) {
      const factor = a[i * size + k]!;
      if (factor === 0) continue;
      for (let j = 0; j < size; j++) out[i * size + j]! += factor * b[k * size + j]!;
    }
  return out;
}
