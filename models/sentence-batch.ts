/** Sentences as one rectangle of tensors: what the model reads and what it is to predict at every position. */
import * as tf from '@tensorflow/tfjs-core';
import { toTensor } from '../src/engine/tensor.js';
import { causalBias, longestOf } from '../src/forward/padded-prompts.js';
import type { Sentence } from './sentences.js';
import type { Gpt2Shape, Matrix, TokenBatch } from './trainable-gpt2.js';

export interface SentenceBatch extends TokenBatch {
  /**
   * [sequences·longest, vocabulary]: the distribution to predict at each position, times the position's weight;
   * sums to 1 over the batch. Within a prompt that is its next token, at its end the answers, each alike.
   */
  targets: Matrix;
}

/** @param answerWeight how many tokens of a prompt its answer counts as much as */
export function batchOf(
  sentences: readonly Sentence[],
  { vocabulary, positions }: Gpt2Shape,
  answerWeight: number,
): SentenceBatch {
  const prompts = sentences.map(({ prompt }) => prompt);
  const longest = longestOf(prompts);
  const rows = sentences.length * longest;
  const tokens = new Float32Array(rows * vocabulary);
  const places = new Float32Array(rows * positions);
  const targets = new Float32Array(rows * vocabulary);
  const total = prompts.reduce((sum, { length }) => sum + length - 1 + answerWeight, 0);
  sentences.forEach(({ prompt, answers }, sequence) => {
    const first = (sequence + 1) * longest - prompt.length;
    prompt.forEach((token, place) => {
      const row = first + place;
      tokens[row * vocabulary + token] = 1;
      places[row * positions + place] = 1;
      if (place > 0) targets[(row - 1) * vocabulary + token] = 1 / total;
    });
    const last = (first + prompt.length - 1) * vocabulary;
    for (const answer of answers) targets[last + answer] = answerWeight / answers.length / total;
  });
  return {
    sequences: sentences.length,
    tokens: toTensor(tokens, [rows, vocabulary]) as Matrix,
    places: toTensor(places, [rows, positions]) as Matrix,
    attentionBias: causalBias(prompts),
    targets: toTensor(targets, [rows, vocabulary]) as Matrix,
  };
}

export function disposeBatch(batch: SentenceBatch): void {
  tf.dispose([batch.tokens, batch.places, batch.attentionBias, batch.targets]);
}
