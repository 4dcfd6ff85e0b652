/** Gendered pronoun: the pronoun follows the name, and the corrupted name is of the other gender. */
import { beforeAll, expect, test } from 'vitest';
import type { Tokenizer } from '../../src/formats/tokenizer.js';
import { MEN, WOMEN } from '../../src/tasks/names.js';
import { generateTask, taskNamed } from '../../src/tasks/tasks.js';
import { nameLength } from '../../src/tasks/token-fit.js';
import { taskVocabulary } from '../../src/tasks/vocabulary.js';
import { describeWith } from '../support/test-data.js';
import { CASES, openSpaceTokenizer, openWordTokenizer } from '../support/tokenizers.js';

const counts = { train: 200, validation: 1, test: 1 };
const namedIn = (prompt: unknown) =>
  (prompt as string).match(/[A-Za-z]+/g)!.find((word) => WOMEN.includes(word) || MEN.includes(word))!;

test('no name stands for both genders', () => {
  expect(WOMEN.filter((name) => MEN.includes(name))).toEqual([]);
  expect(new Set([...WOMEN, ...MEN]).size).toBe(WOMEN.length + MEN.length);
});

for (const { title, missing, open } of CASES)
  describeWith({ missing }, title, () => {
    let tokenizer: Tokenizer;
    beforeAll(async () => {
      tokenizer = await open();
    });

    test('answer, distractor, group and corrupted name follow the gender of the name', () => {
      for (const pair of generateTask('gendered-pronoun', { tokenizer, seed: 2, counts }).splits.train) {
        const female = WOMEN.includes(namedIn(pair.clean));
        expect(pair.answers).toEqual([female ? ' she' : ' he']);
        expect(pair.distractors).toEqual([female ? ' he' : ' she']);
        expect(pair.group!.split('/')[1]).toBe(female ? 'she' : 'he');
        expect(WOMEN.includes(namedIn(pair.corrupted))).toBe(!female);
        expect((pair.corrupted as string).replace(namedIn(pair.corrupted), '')).toBe(
          (pair.clean as string).replace(namedIn(pair.clean), ''),
        );
      }
    });

    test('both genders are about as frequent', () => {
      const { train } = generateTask('gendered-pronoun', { tokenizer, seed: 3 }).splits;
      const women = train.filter(({ answers }) => answers[0] === ' she').length;
      // 1,000 fair draws: standard deviation 16.
      expect(Math.abs(women - 500)).toBeLessThan(80);
    });
  });

test('aligned: a name is only replaced by one of as many tokens, so that no draw is wasted', async () => {
  const tokenizer = await CASES[1]!.open();
  const { report, splits } = generateTask('gendered-pronoun', { tokenizer, seed: 1, counts, aligned: true });
  expect(report.refused).toEqual({});
  const lengths = new Set(splits.train.map(({ clean }) => nameLength(tokenizer, namedIn(clean))));
  expect(lengths).toEqual(new Set([1, 2]));
});

test('few different prompts: the splits shrink in proportion, and the report says so', async () => {
  const kept = ['Mary', 'Sarah', 'John', 'great', 'good', 'friend'];
  const { words, templates } = await import('../../src/tasks/gendered-pronoun.js').then(
    (m) => m.genderedPronoun,
  );
  const slots = Object.values(words).flat();
  const tokenizer = await openWordTokenizer(
    taskVocabulary().filter((word) => !slots.includes(word) || [...kept, 'she', 'he'].includes(word)),
  );
  const { report, splits } = generateTask('gendered-pronoun', { tokenizer, seed: 1 });
  const made = 3 * 2 * 1 * templates.length;
  expect(report.made).toEqual({ train: 17, validation: 2, test: 5 });
  const prompts = Object.values(splits).flatMap((pairs) => pairs.map(({ clean }) => clean));
  expect(prompts).toHaveLength(made);
  expect(new Set(prompts).size).toBe(made);
});

test.each([
  ['men’s names', MEN, /0 men's names/],
  ['adjectives', taskNamed('gendered-pronoun').words.adjectives!, /0 adjectives/],
  ['nouns', taskNamed('gendered-pronoun').words.nouns!, /0 nouns/],
])('a tokenizer without %s is refused', async (_, missing, message) => {
  const tokenizer = await openWordTokenizer(taskVocabulary().filter((word) => !missing.includes(word)));
  expect(() => generateTask('gendered-pronoun', { tokenizer, seed: 1 })).toThrow(message);
});

test('answers that begin alike, or are unknown, leave no prompt, and the error says why', async () => {
  const spaces = await openSpaceTokenizer();
  expect(() => generateTask('gendered-pronoun', { tokenizer: spaces, seed: 1 })).toThrow(
    /only 0 different prompts fit the tokenizer, .*answer and distractor begin with the same token/,
  );
  const mute = await openWordTokenizer(taskVocabulary().filter((word) => word !== 'she'));
  expect(() => generateTask('gendered-pronoun', { tokenizer: mute, seed: 1 })).toThrow(
    'the answer is unknown',
  );
});
