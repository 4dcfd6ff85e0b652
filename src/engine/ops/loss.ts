/** Training losses at the last token, each as a value and its gradient by the logits. */
import * as tf from '@tensorflow/tfjs-core';
import type { LossKind } from '../../settings/choices.js';
import { hasOnePass, onePass } from './one-pass.js';

export type { LossKind };

export interface LossTargets {
  /** Logits of the unmasked model, [batch, nVocab]. */
  teacher: tf.Tensor2D;
  /** [batch, nVocab]: 1 at right answers. Needed by `cross_entropy`. */
  answers?: tf.Tensor2D;
  /** [batch, nVocab]: 1/|answers| at answers, −1/|distractors| at distractors. Needed by `logit_diff`. */
  contrast?: tf.Tensor2D;
}

/** Σ_b KL(teacher ‖ student), a scalar. */
export function klSum(logits: tf.Tensor2D, teacher: tf.Tensor2D): tf.Scalar {
  return tf.tidy(() => {
    if (hasOnePass('OrthoscopeDivergence'))
      return tf.sum<tf.Scalar>(onePass('OrthoscopeDivergence', [logits, teacher], { flag: true })[0]!);
    const expected = tf.logSoftmax(teacher);
    const terms = tf.mul(tf.exp(expected), tf.sub(expected, tf.logSoftmax(logits)));
    // Row by row first: a GPU sums a row with one group of threads, and so it would all of them.
    return tf.sum<tf.Scalar>(tf.sum(terms, 1));
  });
}

/** {@link klSum}, and `share` times its gradient by the logits, [batch, nVocab]. */
export function klWithPull(
  logits: tf.Tensor2D,
  teacher: tf.Tensor2D,
  share: number,
): { sum: tf.Scalar; dLogits: tf.Tensor2D } {
  if (hasOnePass('OrthoscopeDivergence')) {
    const [rows, dLogits] = onePass('OrthoscopeDivergence', [logits, teacher], { factor: share });
    const sum = tf.sum<tf.Scalar>(rows!);
    rows!.dispose();
    return { sum, dLogits: dLogits as tf.Tensor2D };
  }
  const dLogits = tf.tidy(() => tf.mul<tf.Tensor2D>(lossPull('kl', logits, { teacher }), share));
  return { sum: klSum(logits, teacher), dLogits };
}

/** Σ_b of the loss, a scalar: KL, minus the logit difference, or −log Σ_answers p. */
export function lossSum(
  kind: LossKind,
  logits: tf.Tensor2D,
  { teacher, answers, contrast }: LossTargets,
): tf.Scalar {
  switch (kind) {
    case 'kl':
      return klSum(logits, teacher);
    case 'logit_diff':
      return tf.tidy(() => tf.neg(tf.sum<tf.Scalar>(tf.mul(logits, contrast!))));
    case 'cross_entropy':
      return tf.tidy(() =>
        tf.neg(tf.sum<tf.Scalar>(tf.log(tf.sum(tf.mul(tf.softmax(logits), answers!), 1)))),
      );
  }
}

/** Gradient of {@link lossSum} by the logits, [batch, nVocab]. */
export function lossPull(
  kind: LossKind,
  logits: tf.Tensor2D,
  { teacher, answers, contrast }: LossTargets,
): tf.Tensor2D {
  switch (kind) {
    case 'kl':
      return tf.tidy(() => tf.sub(tf.softmax(logits), tf.softmax(teacher)));
    case 'logit_diff':
      return tf.neg(contrast!);
    case 'cross_entropy':
      return tf.tidy(() => {
        const p = tf.softmax(logits);
        const right = tf.mul(p, answers!);
        return tf.sub(p, tf.div(right, tf.sum(right, 1, true)));
      });
  }
}
