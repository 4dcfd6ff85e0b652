/** Every corruption of every task changes what it says, and nothing else. */
import { beforeAll, expect, test } from 'vitest';
import type { Tokenizer } from '../../src/formats/tokenizer.js';
import { MEN, WOMEN } from '../../src/tasks/names.js';
import { generateTask, TASKS } from '../../src/tasks/tasks.js';
import { describeWith } from '../support/test-data.js';
import { CASES } from '../support/tokenizers.js';

const counts = { train: 120, validation: 1, test: 1 };
const names = [...WOMEN, ...MEN];
const wordsOf = (prompt: unknown) => (prompt as string).match(/[A-Za-z]+|\d\d/g)!;
const namesIn = (prompt: unknown) => wordsOf(prompt).filter((word) => names.includes(word));

for (const { title, missing, open } of CASES)
  describeWith({ missing }, title, () => {
    let tokenizer: Tokenizer;
    beforeAll(async () => {
      tokenizer = await open();
    });
    const pairs = (task: string, corruption: string, more = {}) =>
      generateTask(task, { tokenizer, seed: 6, counts, corruption, ...more }).splits.train;

    test('every pair differs, whichever way it is corrupted, and can be aligned', () => {
      for (const { name, corruptions } of TASKS)
        for (const { id } of corruptions)
          for (const { clean, corrupted } of pairs(name, id, { aligned: true })) {
            expect(corrupted).not.toBe(clean);
            expect(tokenizer.encode(corrupted as string)).toHaveLength(
              tokenizer.encode(clean as string).length,
            );
          }
    });

    test("the first is the paper's and the one by default", () => {
      for (const { name, corruptions } of TASKS)
        expect(generateTask(name, { tokenizer, seed: 6, counts }).splits.train).toEqual(
          pairs(name, corruptions[0]!.id),
        );
    });

    test('ioi: a swapped subject names the receiver twice, a new one nobody', () => {
      for (const { clean, corrupted, answers } of pairs('ioi', 'swap-subject')) {
        const [a, b] = namesIn(clean);
        expect(namesIn(corrupted)).toEqual([a, b, (answers[0] as string).trim()]);
      }
      for (const { clean, corrupted } of pairs('ioi', 'new-subject')) {
        const [a, b] = namesIn(clean);
        const after = namesIn(corrupted);
        expect(after.slice(0, 2)).toEqual([a, b]);
        expect(new Set(after).size).toBe(3);
      }
    });

    test('greater-than: the century stays, the end changes, to 01 if asked', () => {
      for (const corruption of ['new-end', 'end-01'])
        for (const { clean, corrupted } of pairs('greater-than', corruption)) {
          const [before, after] = [wordsOf(clean), wordsOf(corrupted)];
          const changed = before.flatMap((word, i) => (word === after[i] ? [] : [after[i]!]));
          expect(changed).toHaveLength(1);
          if (corruption === 'end-01') expect(changed).toEqual(['01']);
        }
    });

    test('gendered-pronoun: any name may be of either gender', () => {
      const same = pairs('gendered-pronoun', 'any-name').map(({ clean, corrupted }) => {
        const [[before], [after]] = [namesIn(clean), namesIn(corrupted)];
        return WOMEN.includes(before!) === WOMEN.includes(after!);
      });
      expect(new Set(same)).toEqual(new Set([true, false]));
    });

    test('an unknown one is refused with the names of those there are', () => {
      expect(() => pairs('ioi', 'shuffle')).toThrow(
        'ioi: no corruption "shuffle"; choose from new-names, swap-subject, new-subject',
      );
    });
  });
