/** The MLP of a block, plain and through its masked directions. */
import * as tf from '@tensorflow/tfjs-core';
import { activate } from '../engine/ops/activation.js';
import type { FrozenLinear } from '../engine/ops/linear.js';
import type { Architecture } from '../models/architecture.js';
import type { Kind } from '../models/components.js';
import type { LayerBases, MatrixBasis } from './bases.js';
import type { Mixer, Puller } from './masking.js';

/** What the pullback of the hidden layer needs, [rows, dMlp] each. */
export interface MlpTrace {
  /** Slope of the activation; null in passes that are not pulled back. */
  slope: tf.Tensor2D | null;
  /** Gated MLPs only: activation(gate), and what it multiplies. */
  gated: { gate: tf.Tensor2D; up: tf.Tensor2D } | null;
}

interface MlpResult {
  /** [rows, dModel]. */
  output: tf.Tensor2D;
  trace: MlpTrace;
}

/** A matrix with its bias, plain or masked. */
type Apply = (kind: Kind, plain: FrozenLinear, x: tf.Tensor2D) => tf.Tensor2D;

export function plainMlpForward(
  x: tf.Tensor2D,
  bases: LayerBases,
  architecture: Architecture,
  trace: boolean,
): MlpResult {
  return forward(x, bases, architecture, trace, (_, plain, value) => plain.apply(value));
}

export function plainMlpPull(
  dy: tf.Tensor2D,
  trace: MlpTrace,
  bases: LayerBases,
  architecture: Architecture,
): tf.Tensor2D {
  return pull(dy, trace, bases, architecture, (_, plain, dValue) => plain.pull(dValue));
}

export function maskedMlpForward(x: tf.Tensor2D, mixer: Mixer): MlpResult {
  const { architecture, bases, trace } = mixer.input;
  return forward(x, bases, architecture, trace, (kind, plain, value) => {
    const basis = bases.mlp[kind];
    const mixed = basis && mixer.reads(kind) ? mixer.mix(kind, basis.read.apply(value)) : null;
    return mixed ? basis!.write.apply(mixed) : plain.apply(value);
  });
}

export function maskedMlpPull(dy: tf.Tensor2D, trace: MlpTrace, puller: Puller): tf.Tensor2D {
  const { architecture, bases } = puller.input;
  return pull(dy, trace, bases, architecture, (kind, plain, dValue) => {
    if (!puller.uses(kind)) return plain.pull(dValue);
    const { read, write } = bases.mlp[kind] as MatrixBasis;
    return read.pull(puller.pull(kind, write.pull(dValue)));
  });
}

function forward(
  x: tf.Tensor2D,
  bases: LayerBases,
  { activation, gatedMlp }: Architecture,
  withSlope: boolean,
  through: Apply,
): MlpResult {
  if (!gatedMlp) {
    const { y, slope } = activate(through('mlp_in', bases.mlpIn, x), activation, withSlope);
    return { output: through('mlp_out', bases.mlpOut, y), trace: { slope, gated: null } };
  }
  const up = through('mlp_up', bases.mlpIn, x);
  const { y: gate, slope } = activate(through('mlp_gate', bases.mlpGate!, x), activation, withSlope);
  const output = through('mlp_down', bases.mlpOut, tf.mul(gate, up));
  return { output, trace: { slope, gated: { gate, up } } };
}

function pull(
  dy: tf.Tensor2D,
  { slope, gated }: MlpTrace,
  bases: LayerBases,
  { gatedMlp }: Architecture,
  back: Apply,
): tf.Tensor2D {
  if (!gatedMlp || !gated)
    return back('mlp_in', bases.mlpIn, tf.mul(back('mlp_out', bases.mlpOut, dy), slope!));
  const dHidden = back('mlp_down', bases.mlpOut, dy);
  const throughUp = back('mlp_up', bases.mlpIn, tf.mul(dHidden, gated.gate));
  const dGate = tf.mul<tf.Tensor2D>(tf.mul(dHidden, gated.up), slope!);
  return tf.add(throughUp, back('mlp_gate', bases.mlpGate!, dGate));
}
