/** Drawing: what is refused and counted, that it ends, and how too few pairs are shared out. */
import { beforeAll, describe, expect, test } from 'vitest';
import type { Tokenizer } from '../../src/formats/tokenizer.js';
import { Random } from '../../src/random.js';
import { drawSplits } from '../../src/tasks/draw-splits.js';
import { emptyReport } from '../../src/tasks/report.js';
import type { SplitCounts } from '../../src/tasks/splits.js';
import type { Drawn } from '../../src/tasks/task.js';
import { CASES, openReachingTokenizer } from '../support/tokenizers.js';

const sound: Drawn = {
  clean: 'When Mary met',
  corrupted: 'When John met',
  answers: [' Anna'],
  distractors: [' Paul'],
};

describe('pairs are refused for a reason', () => {
  let tokenizer: Tokenizer;
  beforeAll(async () => {
    tokenizer = await CASES[1]!.open();
  });

  /** Draws the faulty pair and the sound one in turn; one sound pair is wanted. */
  function refused(faulty: Partial<Drawn>, { aligned = false } = {}) {
    const report = emptyReport({ train: 1, validation: 0, test: 0 });
    const draws = [{ ...sound, ...faulty }, sound].values();
    const { train } = drawSplits(
      't',
      () => draws.next().value!,
      { tokenizer, aligned, report },
      new Random(1),
    );
    expect(train).toEqual([{ id: 't-train-1', ...sound }]);
    return report.refused;
  }

  test.each([
    ['clean', { clean: 'When Kunigunde met' }],
    ['corrupted', { corrupted: 'When Kunigunde met' }],
  ])('an unknown word in the %s prompt', (_, faulty) => {
    expect(refused(faulty)).toEqual({ 'a word is unknown in its place': 1 });
  });

  test('an unknown answer', () => {
    expect(refused({ answers: [' Kunigunde'] })).toEqual({ 'the answer is unknown': 1 });
  });

  test('first tokens in common', () => {
    expect(refused({ distractors: [' Paul', ' Anna'] })).toEqual({
      'answer and distractor begin with the same token': 1,
    });
  });

  test('unequal length, where aligned pairs are wanted', () => {
    const longer = { corrupted: 'When Barbara met' };
    expect(refused(longer, { aligned: true })).toEqual({ 'clean and corrupted prompt differ in length': 1 });
    const report = emptyReport({ train: 1, validation: 0, test: 0 });
    const draw = () => ({ ...sound, ...longer });
    const { train } = drawSplits('t', draw, { tokenizer, aligned: false, report }, new Random(1));
    expect(train[0]).toMatchObject(longer);
  });

  test('an answer that changes the tokens of its prompt', async () => {
    const cutBy = await openReachingTokenizer();
    const report = emptyReport({ train: 1, validation: 0, test: 0 });
    expect(() =>
      drawSplits('t', () => sound, { tokenizer: cutBy, aligned: false, report }, new Random(1)),
    ).toThrow(
      't: only 0 different prompts fit the tokenizer, too few for the splits asked for (the answer changes the tokens of its prompt)',
    );
  });
});

describe('fewer different pairs than asked for', () => {
  const made = async (different: number, asked: SplitCounts) => {
    const report = emptyReport(asked);
    const draw = (random: Random): Drawn => ({
      ...sound,
      clean: `When Mary met${' to'.repeat(random.integer(different))}`,
    });
    const tokenizer = await CASES[0]!.open();
    const splits = drawSplits('t', draw, { tokenizer, aligned: false, report }, new Random(1));
    for (const split of ['train', 'validation', 'test'] as const)
      expect(splits[split]).toHaveLength(report.made[split]);
    return report.made;
  };

  test.each([
    ['enough', 20, { train: 5, validation: 2, test: 3 }, { train: 5, validation: 2, test: 3 }],
    ['half', 5, { train: 4, validation: 2, test: 4 }, { train: 2, validation: 1, test: 2 }],
    [
      'what is left over goes to the first',
      7,
      { train: 10, validation: 3, test: 7 },
      { train: 4, validation: 1, test: 2 },
    ],
    [
      'a split that was not asked for stays empty',
      3,
      { train: 0, validation: 4, test: 4 },
      { train: 0, validation: 2, test: 1 },
    ],
  ])('%s', async (_, different, asked, expected) => {
    expect(await made(different, asked)).toEqual(expected);
  });

  test('a split that would be empty is an error', async () => {
    await expect(made(2, { train: 10, validation: 1, test: 5 })).rejects.toThrow(
      't: only 2 different prompts fit',
    );
  });
});
