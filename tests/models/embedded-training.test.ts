/** The program that trains the embedded model: its data, its forward pass against the library's, its learning. */
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { type LanguageModelling, trainOnSentences } from '../../models/language-modelling.js';
import { batchOf, disposeBatch } from '../../models/sentence-batch.js';
import {
  corruptedAsPrompt,
  HELD_OUT_SEED,
  type Sentence,
  trainingSentences,
} from '../../models/sentences.js';
import { forward, type Gpt2Shape, initialParameters } from '../../models/trainable-gpt2.js';
import { writeGpt2 } from '../../models/write-gpt2.js';
import { openEngine } from '../../src/engine/engine.js';
import { toTensor } from '../../src/engine/tensor.js';
import { InterruptedError } from '../../src/errors.js';
import { openTokenizer } from '../../src/formats/tokenizer.js';
import { openModel } from '../../src/models/open-model.js';
import { packageFile } from '../../src/package-file.js';
import { Random } from '../../src/random.js';
import { generateTask, PAPER_TASKS } from '../../src/tasks/tasks.js';
import { availableEngines, describeOnEngines } from '../support/engines.js';
import { loadPlain } from '../support/next-tokens.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const SHAPE: Gpt2Shape = { layers: 2, heads: 2, dModel: 8, dMlp: 12, vocabulary: 11, positions: 7 };

const SENTENCES: Sentence[] = [
  { prompt: Int32Array.of(1, 2, 3), answers: Int32Array.of(4) },
  { prompt: Int32Array.of(5, 2, 3, 1, 6), answers: Int32Array.of(7) },
  { prompt: Int32Array.of(8, 9), answers: Int32Array.of(10, 1) },
];

const folder = temporaryFolder();
const openEmbeddedTokenizer = () => openTokenizer(packageFile('models/embedded'));

describe('training sentences', () => {
  it('leave out every prompt that is held out', async () => {
    const tokenizer = await openEmbeddedTokenizer();
    // The same seed draws the same pairs as the held-out splits, to the last one.
    expect(trainingSentences(tokenizer, HELD_OUT_SEED, 50)).toEqual([]);
    const others = trainingSentences(tokenizer, 7, 50);
    expect(others.length).toBeGreaterThan(0.8 * 2 * 50 * PAPER_TASKS.length);
  });

  it('give each corrupted prompt answers of its own', async () => {
    const tokenizer = await openEmbeddedTokenizer();
    for (const { name } of PAPER_TASKS) {
      const counts = { train: 40, validation: 0, test: 0 };
      for (const pair of generateTask(name, { tokenizer, seed: 3, counts }).splits.train) {
        const { clean, answers, distractors } = corruptedAsPrompt(name, pair);
        expect(clean).toBe(pair.corrupted);
        const words = tokenizer.encode(clean as string);
        if (name === 'ioi') {
          const subject = distractors.map((text) => tokenizer.encode(text as string)[0]!);
          const both = answers.map((text) => tokenizer.encode(text as string)[0]!);
          expect([...both, ...subject].map((id) => words.indexOf(id))).toEqual(
            [...both, ...subject].map((id) => words.lastIndexOf(id)),
          );
          expect(words.indexOf(both[0]!)).toBeLessThan(words.indexOf(both[1]!));
          expect(words.indexOf(both[1]!)).toBeLessThan(words.indexOf(subject[0]!));
        } else if (name === 'greater-than') {
          const end = Number(/\d\d(\d\d)/.exec(clean as string)![1]);
          const ends = (ids: typeof answers) => ids.map((id) => Number(tokenizer.token(id as number)));
          expect(ends(answers).sort((a, b) => a - b)).toEqual(range(end + 1, 100));
          expect(ends(distractors).sort((a, b) => a - b)).toEqual(range(0, end + 1));
        } else expect([answers, distractors]).toEqual([pair.distractors, pair.answers]);
      }
    }
  });
});

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i);
}

describeOnEngines('forward pass in training', (engine) => {
  it('has one target a position, all together weighing 1', async () => {
    const batch = batchOf(SENTENCES, SHAPE, 5);
    const targets = (await batch.targets.data()) as Float32Array;
    disposeBatch(batch);
    // Left-padded to five: ten tokens in all, of which seven are predicted, and three answers of weight 5.
    const total = 7 + 3 * 5;
    const at = (row: number, token: number) => targets[row * SHAPE.vocabulary + token]! * total;
    expect(at(2, 2)).toBeCloseTo(1, 5);
    expect(at(4, 4)).toBeCloseTo(5, 5);
    expect(at(5, 2)).toBeCloseTo(1, 5);
    expect(at(14, 10)).toBeCloseTo(2.5, 5);
    expect(at(14, 1)).toBeCloseTo(2.5, 5);
    expect(targets.reduce((sum, target) => sum + target, 0)).toBeCloseTo(1, 5);
    expect(targets.filter((target) => target > 0)).toHaveLength(7 + 4);
  });

  it('is that of the library on the written folder', async () => {
    const random = new Random(5);
    const parameters = initialParameters(SHAPE, 0.5, random);
    for (const { shape, data } of parameters.values())
      if (shape.length === 1) data.forEach((value, i) => (data[i] = value + 0.3 * random.normal()));
    await writeGpt2(folder, SHAPE, parameters);

    const weights = new Map([...parameters].map(([name, { data, shape }]) => [name, toTensor(data, shape)]));
    const batch = batchOf(SENTENCES, SHAPE, 1);
    const logits = tf.tidy(() => tf.softmax(forward(SHAPE, weights, batch)));
    const ours = (await logits.data()) as Float32Array;
    tf.dispose([logits, ...weights.values()]);
    disposeBatch(batch);

    const model = await openModel(folder);
    const loaded = await loadPlain(engine(), model);
    const state = loaded.forward(SENTENCES.map(({ prompt }) => prompt));
    const theirs = tf.tidy(() => tf.softmax(loaded.logits(state)));
    const expected = (await theirs.data()) as Float32Array;
    tf.dispose([state, theirs]);
    loaded.dispose();
    await model.close();

    const longest = ours.length / SENTENCES.length / SHAPE.vocabulary;
    SENTENCES.forEach((_, sequence) => {
      for (let token = 0; token < SHAPE.vocabulary; token++) {
        const last = ((sequence + 1) * longest - 1) * SHAPE.vocabulary;
        expect(ours[last + token]).toBeCloseTo(expected[sequence * SHAPE.vocabulary + token]!, 5);
      }
    });
  });
});

const native = availableEngines().find((name) => name !== 'wasm');

describe.skipIf(!native)(`training [native${native ? '' : ', skipped: no TensorFlow is linked'}]`, () => {
  const settings: LanguageModelling = {
    steps: 60,
    batchSize: 3,
    lr: 2e-2,
    warmup: 5,
    betas: [0.9, 0.98],
    eps: 1e-8,
    weightDecay: 0.1,
    answerWeight: 5,
  };
  const train = async (call = {}) => {
    await openEngine({ engine: native! });
    const parameters = initialParameters(SHAPE, 0.3, new Random(1));
    const losses = await trainOnSentences(SHAPE, parameters, SENTENCES, settings, new Random(2), call);
    return { parameters, losses };
  };

  it('learns what can be learnt of sentences, and nothing more', async () => {
    const { losses } = await train();
    // What is left is the choice between two equal answers, of weight 5 in 22.
    const least = (5 * Math.log(2)) / 22;
    expect(losses.at(0)).toBeGreaterThan(2);
    expect(losses.at(-1)).toBeGreaterThan(least);
    expect(losses.at(-1)).toBeLessThan(least + 0.05);
  });

  it('gives the same model for the same seed', async () => {
    const [one, two] = [await train(), await train()];
    for (const [name, { data }] of one.parameters) {
      const other = two.parameters.get(name)!.data;
      data.forEach((value, i) => {
        expect(other[i]).toBeCloseTo(value, 4);
      });
    }
  });

  it('stops on request and frees its tensors', async () => {
    await openEngine({ engine: native! });
    const before = tf.memory().numTensors;
    const interruption = new AbortController();
    const onProgress = ({ done }: { done: number }) => {
      if (done === 2) interruption.abort();
    };
    await expect(train({ onProgress, signal: interruption.signal })).rejects.toThrow(InterruptedError);
    expect(tf.memory().numTensors).toBe(before);
  });
});
