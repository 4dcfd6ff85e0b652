/** Training losses against their definitions, and their gradients. */
import * as tf from '@tensorflow/tfjs-core';
import { it } from 'vitest';
import { type LossKind, lossPull, lossSum } from '../../../src/engine/ops/loss.js';
import { describeOnEngines } from '../../support/engines.js';
import { dot, expectClose, normals, resultsOf, rowsIn, slopes } from '../../support/operations.js';
import { softmax } from '../../support/reference-forward.js';

const [BATCH, VOCABULARY] = [3, 5];
const teacher = normals(BATCH * VOCABULARY, 1);
// Two right answers and one wrong one in the first row, one of each in the others.
const answers = [1, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1];
const contrast = [0.5, -1, 0.5, 0, 0, 0, 1, -1, 0, 0, -1, 0, 0, 0, 1];

const DEFINITIONS: Record<LossKind, (logits: number[]) => number> = {
  kl: (logits) =>
    rowsIn(logits, VOCABULARY).reduce((sum, row, b) => {
      const [p, q] = [softmax(rowsIn(teacher, VOCABULARY)[b]!), softmax(row)];
      return sum + p.reduce((kl, value, token) => kl + value * Math.log(value / q[token]!), 0);
    }, 0),
  logit_diff: (logits) => -dot(logits, contrast),
  cross_entropy: (logits) =>
    -rowsIn(logits, VOCABULARY).reduce(
      (sum, row, b) => sum + Math.log(dot(softmax(row), rowsIn(answers, VOCABULARY)[b]!)),
      0,
    ),
};

describeOnEngines('loss', () => {
  it.each(Object.keys(DEFINITIONS) as LossKind[])('%s', (kind) => {
    const logits = normals(BATCH * VOCABULARY, 2);
    const tensor = (values: number[]) => tf.tensor2d(values, [BATCH, VOCABULARY]);
    const student = tensor(logits);
    const targets = { teacher: tensor(teacher), answers: tensor(answers), contrast: tensor(contrast) };
    const { loss, gradient } = resultsOf(() => ({
      loss: lossSum(kind, student, targets),
      gradient: lossPull(kind, student, targets),
    }));
    expectClose(loss, [DEFINITIONS[kind](logits)]);
    expectClose(gradient, slopes(DEFINITIONS[kind], logits));
    tf.dispose([student, ...Object.values(targets)]);
  });
});
