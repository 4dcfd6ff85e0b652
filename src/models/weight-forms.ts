/**
 * Rewrites a block into a weight form (docs/maths.md, "Weight forms").
 * `folded`: the gain and bias of each normalisation move into the matrices that read it.
 * `reference`: as TransformerLens does by default: folded, and on LayerNorm models every matrix that reads
 * or writes the stream is centred along it, the unembedding also along the vocabulary, and value biases
 * move into the output bias. Softmax outputs are the same in both forms; singular directions are not.
 * All sums run in float64; results are stored in float32, where the raw weights were: a large model fits once.
 */
import { InputError } from '../errors.js';
import type { Norm, RawEnds, RawLayer } from './adapter.js';
import { type Architecture, kvHeadOf } from './architecture.js';
import type { EndWeights, LayerWeights, Linear, WeightForm } from './weights.js';

/**
 * Whether a form centres this architecture: an RMSNorm does not subtract the mean, so centring would change the model.
 * Where it does, nothing in the stream has a mean, and LayerNorm without gain and bias is RMSNorm.
 */
export function centres(architecture: Architecture, form: WeightForm): boolean {
  return form === 'reference' && architecture.norm === 'layer';
}

export function layerInForm(raw: RawLayer, architecture: Architecture, form: WeightForm): LayerWeights {
  const centre = centres(architecture, form);
  const reads = (linear: Linear, norm: Norm) => foldNorm(linear, norm, centre);
  const writes = (linear: Linear) => {
    if (centre) centreOutputs(linear);
    return linear;
  };
  const { query, key, attention, mlp } = raw.outputGains ?? {};
  const layer: LayerWeights = {
    q: reads(scaleOutputs(raw.q, query), raw.attentionNorm),
    k: reads(scaleOutputs(raw.k, key), raw.attentionNorm),
    v: reads(raw.v, raw.attentionNorm),
    o: writes(scaleOutputs(raw.o, attention)),
    mlpIn: reads(raw.mlpIn, raw.mlpNorm),
    mlpGate: raw.mlpGate && reads(raw.mlpGate, raw.mlpNorm),
    mlpOut: writes(scaleOutputs(raw.mlpOut, mlp)),
  };
  if (raw.outputGains)
    layer.norms = {
      query: query && meanSquareWeights(query),
      key: key && meanSquareWeights(key),
      attention: attention && meanSquareWeights(attention),
      mlp: mlp && meanSquareWeights(mlp),
    };
  return centre ? foldValueBias(layer, architecture) : layer;
}

export function endsInForm(raw: RawEnds, architecture: Architecture, form: WeightForm): EndWeights {
  const { dModel: d, nVocab, nPositions } = architecture;
  const centre = centres(architecture, form);
  const unembed = foldNorm(raw.unembed, raw.finalNorm, centre);
  if (centre) {
    centreOutputs(unembed);
    centreRows(raw.embed, nVocab, d);
    if (raw.positions) centreRows(raw.positions, nPositions, d);
  }
  return { embed: raw.embed, positions: raw.positions, unembed };
}

/**
 * y = (x∘g + β)·W + b written as y = x·(diag(g)·W) + (b + β·W), in place. With `centre`, each column's mean over the
 * inputs is subtracted from what is then the weight: no change of output where the input has mean zero.
 */
function foldNorm({ rows, cols, weight, bias }: Linear, norm: Norm, centre: boolean): Linear {
  const sums = new Float64Array(cols);
  if (bias) sums.set(bias);
  // Bias and means in one pass: the matrix is larger than the caches.
  const means = new Float64Array(cols);
  for (let r = 0; r < rows; r++)
    foldRow(rowOf(weight, r, cols), norm.gain[r]!, norm.bias ? norm.bias[r]! : 0, sums, means);
  if (centre) {
    for (let c = 0; c < cols; c++) means[c]! /= rows;
    for (let r = 0; r < rows; r++) subtract(rowOf(weight, r, cols), means);
  }
  return { rows, cols, weight, bias: bias || norm.bias ? new Float32Array(sums) : null };
}

// Row by row in functions of their own: V8 brings a function to full speed between two of its calls, and each thread
// that decomposes waits for that; in one long loop it takes several times as long.

function rowOf(weight: Float32Array, row: number, cols: number): Float32Array {
  return weight.subarray(row * cols, (row + 1) * cols);
}

/** Row ← gain · row; adds shift times what it was to `sums`, and what it is now to `means`. */
function foldRow(
  row: Float32Array,
  gain: number,
  shift: number,
  sums: Float64Array,
  means: Float64Array,
): void {
  for (let c = 0; c < row.length; c++) {
    const value = row[c]!;
    const folded = Math.fround(value * gain);
    row[c] = folded;
    sums[c]! += shift * value;
    means[c]! += folded;
  }
}

function subtract(row: Float32Array, means: Float64Array): void {
  for (let c = 0; c < row.length; c++) row[c]! -= means[c]!;
}

/** Multiplies output c by gain[c]; a shorter gain repeats, head by head. */
function scaleOutputs({ rows, cols, weight, bias }: Linear, gain: Float32Array | undefined): Linear {
  if (!gain) return { rows, cols, weight, bias };
  const scaled = (values: Float32Array) => {
    const out = new Float32Array(values.length);
    for (let at = 0; at < values.length; at++) out[at] = values[at]! * gain[at % gain.length]!;
    return out;
  };
  return { rows, cols, weight: scaled(weight), bias: bias && scaled(bias) };
}

/** w with Σ_i w_i (g_i x_i)² = mean of x²: 1/(n g²). */
function meanSquareWeights(gain: Float32Array): Float32Array {
  const zero = gain.indexOf(0);
  if (zero >= 0)
    throw new InputError(
      `the gain of a normalisation behind a matrix is 0 in dimension ${zero}: folded into the matrix, it would lose what it normalises`,
    );
  return gain.map((value) => 1 / (gain.length * value * value));
}

/** Subtracts each row's mean, in place: what is written to the stream (or to the logits) then has mean zero. */
export function centreRows(weight: Float32Array, rows: number, cols: number): void {
  for (let r = 0; r < rows; r++) centreRow(rowOf(weight, r, cols));
}

function centreRow(row: Float32Array): void {
  let mean = 0;
  for (let c = 0; c < row.length; c++) mean += row[c]!;
  mean /= row.length;
  for (let c = 0; c < row.length; c++) row[c]! -= mean;
}

function centreOutputs({ rows, cols, weight, bias }: Linear): void {
  centreRows(weight, rows, cols);
  if (bias) centreRows(bias, 1, cols);
}

/** Attention weights sum to one, so a value bias adds the constant b_V·W_O to the output: move it there. */
function foldValueBias(layer: LayerWeights, architecture: Architecture): LayerWeights {
  const { nHeads, dHead } = architecture;
  const { v, o } = layer;
  if (!v.bias) return layer;
  const sums = new Float64Array(o.cols);
  if (o.bias) sums.set(o.bias);
  for (let head = 0; head < nHeads; head++) {
    const from = kvHeadOf(head, architecture) * dHead;
    for (let i = 0; i < dHead; i++) {
      const value = v.bias[from + i]!;
      addScaled(value, rowOf(o.weight, head * dHead + i, o.cols), sums);
    }
  }
  return {
    ...layer,
    v: { ...v, bias: new Float32Array(v.cols) },
    o: { ...o, bias: new Float32Array(sums) },
  };
}

function addScaled(factor: number, row: Float32Array, sums: Float64Array): void {
  for (let c = 0; c < row.length; c++) sums[c]! += factor * row[c]!;
}
