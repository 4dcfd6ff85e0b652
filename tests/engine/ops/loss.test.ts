/** Training losses against their definitions, and their gradients. */
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { klWithPull, type LossKind, lossPull, lossSum } from '../../../src/engine/ops/loss.js';
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

  // Far more of a vocabulary than a vector holds, logits as large as models have them, and rows that hardly differ.
  it.each([
    ['far apart', 1, 20],
    ['close', 1e-2, 20],
    ['close, logits far from 0', 1e-2, -100],
  ])('KL together with its gradient, distributions %s', (_, apart, around) => {
    const size = 4099;
    const [rows, share] = [2, 0.25];
    const wanted = normals(rows * size, 3).map((value) => Math.fround(around + 6 * value));
    const own = normals(rows * size, 4).map((value, at) => Math.fround(wanted[at]! + apart * value));
    const [logits, expected] = [own, wanted].map((values) => tf.tensor2d(values, [rows, size]));
    const { sum, dLogits } = resultsOf(() => klWithPull(logits!, expected!, share));
    const pairs = rowsIn(own, size).map(
      (row, b) => [softmax(row), softmax(rowsIn(wanted, size)[b]!)] as const,
    );
    const kl = pairs.reduce(
      (total, [q, p]) => total + p.reduce((part, value, at) => part + value * Math.log(value / q[at]!), 0),
      0,
    );
    expect(Math.abs(sum![0]! - kl)).toBeLessThan(4e-6 + 1e-5 * kl);
    expectClose(
      dLogits,
      pairs.flatMap(([q, p]) => p.map((value, at) => share * (q[at]! - value))),
    );
    tf.dispose([logits, expected] as tf.Tensor[]);
  });
});
