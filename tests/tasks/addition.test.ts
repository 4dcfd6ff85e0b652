/** Addition: sums are right, and scored on a token that tells them apart. */
import { beforeAll, expect, test } from 'vitest';
import type { PromptPair } from '../../src/formats/prompt-pairs.js';
import type { Tokenizer } from '../../src/formats/tokenizer.js';
import { generateTask, TASKS } from '../../src/tasks/tasks.js';
import { follow } from '../../src/tasks/token-fit.js';
import { taskVocabulary } from '../../src/tasks/vocabulary.js';
import { describeWith } from '../support/test-data.js';
import { CASES, openGpt2, openThreeDigitTokenizer, openWordTokenizer } from '../support/tokenizers.js';

const counts = { train: 100, validation: 1, test: 1 };
const names = ['one-digit-addition', 'two-digit-addition'];

/** The numbers that are asked for, and what is said to be their sum. */
function asked(prompt: PromptPair['clean'] | undefined, sums: PromptPair['answers']) {
  const [, a, b] = /(\d+) \+ (\d+) = ?$/.exec(prompt as string)!;
  return { a: Number(a), b: Number(b), sum: Number((sums[0] as string).trim()) };
}

for (const { title, missing, open } of CASES)
  for (const name of names)
    describeWith({ missing }, `${title}: ${name}`, () => {
      let tokenizer: Tokenizer;
      beforeAll(async () => {
        tokenizer = await open();
      });
      const pairs = (corruption: string) =>
        generateTask(name, { tokenizer, seed: 7, counts, corruption, aligned: true }).splits.train;

      test('the answer is the sum, the distractor that of the corrupted prompt', () => {
        for (const { clean, corrupted, answers, distractors } of pairs('new-numbers')) {
          const [before, after] = [asked(clean, answers), asked(corrupted, distractors)];
          expect(before.sum).toBe(before.a + before.b);
          expect(after.sum).toBe(after.a + after.b);
          expect(after.a).not.toBe(before.a);
          expect(after.b).not.toBe(before.b);
          const digits = name === 'one-digit-addition' ? 1 : 2;
          for (const number of [before.a, before.b, before.sum]) expect(String(number)).toHaveLength(digits);
        }
      });

      test('only the number that is meant changes', () => {
        for (const [corruption, kept, changed] of [
          ['new-first', 'b', 'a'],
          ['new-second', 'a', 'b'],
        ] as const)
          for (const { clean, corrupted, answers, distractors } of pairs(corruption)) {
            const [before, after] = [asked(clean, answers), asked(corrupted, distractors)];
            expect(after[kept]).toBe(before[kept]);
            expect(after[changed]).not.toBe(before[changed]);
          }
      });

      test('the worked examples are right and never the same sum that is asked for twice over', () => {
        const { templates } = TASKS.find((task) => task.name === name)!;
        for (const { text } of templates) {
          const examples = [...text.matchAll(/(\d+) \+ (\d+) = (\d+)/g)];
          expect(examples).toHaveLength(3);
          for (const [, a, b, sum] of examples) expect(Number(a) + Number(b)).toBe(Number(sum));
        }
      });

      test('the scored tokens of sum and distractor differ, and one-digit sums are one token', () => {
        for (const { clean, answers, distractors } of pairs('new-numbers')) {
          const [right, wrong] = [answers[0], distractors[0]].map(
            (text) => follow(tokenizer, clean as string, text as string)!,
          ) as [number[], number[]];
          expect(right[0]).not.toBe(wrong[0]);
          if (name === 'one-digit-addition') expect(right).toHaveLength(1);
        }
      });
    });

test('a space that is a token of its own belongs to the prompt, and single digits come with a note', async () => {
  const [whole, pieces] = [await CASES[0]!.open(), await CASES[1]!.open()];
  const make = (tokenizer: Tokenizer, name: string) => generateTask(name, { tokenizer, seed: 1, counts });
  for (const name of names) {
    expect(make(whole, name).splits.train[0]!.clean).toMatch(/=$/);
    expect(make(pieces, name).splits.train[0]!.clean).toMatch(/= $/);
    expect(make(whole, name).report.notes).toEqual([]);
  }
  expect(make(pieces, 'one-digit-addition').report.notes).toEqual([]);
  expect(make(pieces, 'two-digit-addition').report.notes).toEqual([
    'numbers are single digits: scored on the first digit of the sum',
  ]);
});

test('numbers cut by threes are one token each', async () => {
  const tokenizer = await openThreeDigitTokenizer();
  const words = generateTask('two-digit-addition', { tokenizer, seed: 1, counts });
  expect(words.report.notes).toEqual([]);
});

test('GPT-2 has every number as one token, so sums are scored whole', async () => {
  const { report, splits } = generateTask('two-digit-addition', {
    tokenizer: await openGpt2(),
    seed: 1,
    counts,
  });
  expect(report.notes).toEqual([]);
  expect(splits.train[0]!.answers[0]).toMatch(/^ \d\d$/);
});

test('a tokenizer without numbers is refused', async () => {
  const words = taskVocabulary(TASKS).filter((word) => !/^\d+$/.test(word));
  const tokenizer = await openWordTokenizer(words);
  for (const name of names)
    expect(() => generateTask(name, { tokenizer, seed: 1 })).toThrow(
      'every template has a word that the tokenizer',
    );
});

test('a tokenizer that knows only the numbers of the worked examples has too few sums', async () => {
  const { templates } = TASKS.find(({ name }) => name === 'two-digit-addition')!;
  const shown = new Set(templates.flatMap(({ text }) => text.match(/\d+/g)!).map(Number));
  const words = taskVocabulary(TASKS).filter(
    (word) => !/^\d\d$/.test(word) || (shown.has(Number(word)) && Number(word) < 20),
  );
  const tokenizer = await openWordTokenizer([...words, '=', '+']);
  expect(() => generateTask('two-digit-addition', { tokenizer, seed: 1 })).toThrow(/^two-digit-addition: /);
});
