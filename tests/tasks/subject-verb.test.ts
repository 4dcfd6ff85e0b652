/** Subject–verb agreement: the verb goes with the subject, not with the noun beside it. */
import { beforeAll, expect, test } from 'vitest';
import type { Tokenizer } from '../../src/formats/tokenizer.js';
import { generateTask, TASKS } from '../../src/tasks/tasks.js';
import { taskVocabulary } from '../../src/tasks/vocabulary.js';
import { describeWith } from '../support/test-data.js';
import { CASES, openWordTokenizer } from '../support/tokenizers.js';

const counts = { train: 150, validation: 1, test: 1 };
const { nouns, plurals } = TASKS.find(({ name }) => name === 'subject-verb')!.words;
const nounsIn = (prompt: unknown) =>
  (prompt as string).match(/[A-Za-z]+/g)!.filter((word) => [...nouns!, ...plurals!].includes(word));
const isPlural = (noun: string) => plurals!.includes(noun);

for (const { title, missing, open } of CASES)
  describeWith({ missing }, title, () => {
    let tokenizer: Tokenizer;
    beforeAll(async () => {
      tokenizer = await open();
    });
    const pairs = (corruption?: string, aligned = false) =>
      generateTask('subject-verb', { tokenizer, seed: 3, counts, corruption, aligned }).splits.train;

    test('verbs agree with the first noun; the second one is another, in either number', () => {
      const combinations = new Set<string>();
      for (const { clean, answers, distractors, group } of pairs()) {
        const [subject, other] = nounsIn(clean) as [string, string];
        const [right, wrong] = isPlural(subject) ? [' are', ' is'] : [' is', ' are'];
        expect(answers).toContain(right);
        expect(distractors).toContain(wrong);
        expect(answers).toHaveLength(distractors.length);
        expect(subject.replace(/s$/, '')).not.toBe(other.replace(/s$/, ''));
        const numbers = [subject, other].map((noun) => (isPlural(noun) ? 'plural' : 'singular'));
        expect(group).toMatch(new RegExp(`/${numbers.join('-')}$`));
        combinations.add(numbers.join('-'));
      }
      expect(combinations.size).toBe(4);
    });

    test('the corrupted prompt has the subject in the other number, or any other subject', () => {
      for (const aligned of [false, true])
        for (const { clean, corrupted } of pairs('other-number', aligned)) {
          const [[before, other], [after, same]] = [nounsIn(clean), nounsIn(corrupted)];
          expect(isPlural(after!)).toBe(!isPlural(before!));
          expect(after!.replace(/s$/, '')).toBe(before!.replace(/s$/, ''));
          expect(same).toBe(other);
        }
      const kept = pairs('any-subject').map(({ clean, corrupted }) => {
        const [[before], [after]] = [nounsIn(clean), nounsIn(corrupted)];
        expect(after!.replace(/s$/, '')).not.toBe(before!.replace(/s$/, ''));
        return isPlural(before!) === isPlural(after!);
      });
      expect(new Set(kept)).toEqual(new Set([true, false]));
    });
  });

test('verbs come in pairs: one whose other number is unknown is left out', async () => {
  const words = taskVocabulary(TASKS).filter((word) => word !== 'were');
  const tokenizer = await openWordTokenizer(words);
  const { report, splits } = generateTask('subject-verb', { tokenizer, seed: 1, counts });
  expect(report.lists.find(({ list }) => list === 'verbs')).toMatchObject({
    kept: 3,
    of: 4,
    dropped: ['was/were'],
  });
  for (const { answers, distractors } of splits.train)
    expect([...answers, ...distractors]).not.toContain(' was');
});

test('a tokenizer without plurals cannot have it', async () => {
  const words = taskVocabulary(TASKS).filter((word) => !plurals!.includes(word));
  const tokenizer = await openWordTokenizer(words);
  expect(() => generateTask('subject-verb', { tokenizer, seed: 1 })).toThrow(/^subject-verb: 0 nouns/);
});
