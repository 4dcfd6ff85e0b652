/** Induction: what follows is what followed before, and corruptions break just that. */
import { beforeAll, expect, test } from 'vitest';
import type { Tokenizer } from '../../src/formats/tokenizer.js';
import { generateTask, TASKS } from '../../src/tasks/tasks.js';
import { taskVocabulary } from '../../src/tasks/vocabulary.js';
import { describeWith } from '../support/test-data.js';
import { CASES, openWordTokenizer } from '../support/tokenizers.js';

const counts = { train: 100, validation: 1, test: 1 };
const wordsOf = (prompt: unknown) => (prompt as string).split(' ');

for (const { title, missing, open } of CASES)
  describeWith({ missing }, title, () => {
    let tokenizer: Tokenizer;
    beforeAll(async () => {
      tokenizer = await open();
    });
    const pairs = (corruption?: string) =>
      generateTask('induction', { tokenizer, seed: 3, counts, corruption }).splits.train;

    /** What followed the prompt's last word wherever it came before. */
    const followers = (prompt: unknown) => {
      const words = wordsOf(prompt);
      const last = words.at(-1);
      return new Set(words.slice(1).filter((_, i) => words[i] === last && i < words.length - 1));
    };

    test('the last word was always followed by the answer, never by a distractor', () => {
      for (const { clean, answers, distractors } of pairs()) {
        expect([...followers(clean)]).toEqual([(answers[0] as string).trim()]);
        for (const distractor of distractors) expect(wordsOf(clean)).toContain((distractor as string).trim());
        expect(distractors).not.toContain(answers[0]);
        expect(distractors.length).toBeGreaterThan(0);
      }
    });

    test('the word in front, which has no space before it, comes once', () => {
      for (const { clean } of pairs()) {
        const [first, ...rest] = wordsOf(clean);
        expect(rest).not.toContain(first);
      }
    });

    test('new words repeat in the same way; a new answer follows the same word; nothing repeats at the end', () => {
      for (const { clean, corrupted } of pairs('new-words')) {
        const [before, after] = [wordsOf(clean), wordsOf(corrupted)];
        const shape = (words: string[]) => words.map((word) => words.indexOf(word));
        expect(shape(after)).toEqual(shape(before));
        expect(after.some((word) => before.includes(word))).toBe(false);
      }
      for (const { clean, corrupted, answers } of pairs('new-answer')) {
        expect(wordsOf(corrupted).at(-1)).toBe(wordsOf(clean).at(-1));
        expect(wordsOf(corrupted)).not.toContain((answers[0] as string).trim());
        expect(followers(corrupted).size).toBe(1);
      }
      for (const { corrupted } of pairs('no-repeat')) expect(followers(corrupted).size).toBe(0);
    });
  });

test('too few words are too few', async () => {
  const { items } = TASKS.find(({ name }) => name === 'induction')!.words;
  const words = taskVocabulary(TASKS).filter((word) => !items!.slice(15).includes(word));
  const tokenizer = await openWordTokenizer(words);
  expect(() => generateTask('induction', { tokenizer, seed: 1 })).toThrow(
    /^induction: 15 of 50 words stand in one or two tokens.*at least 16 are needed/,
  );
});
