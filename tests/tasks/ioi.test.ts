/** IOI: who is named where, and which names a tokenizer admits. */
import { beforeAll, expect, test } from 'vitest';
import { openTokenizer, type Tokenizer } from '../../src/formats/tokenizer.js';
import { MEN, WOMEN } from '../../src/tasks/names.js';
import { generateTask } from '../../src/tasks/tasks.js';
import { nameLength } from '../../src/tasks/token-fit.js';
import { taskVocabulary } from '../../src/tasks/vocabulary.js';
import { describeWith, TINY_STORIES } from '../support/test-data.js';
import { CASES, openWordTokenizer } from '../support/tokenizers.js';

const counts = { train: 150, validation: 1, test: 1 };
const names = [...WOMEN, ...MEN];
const namesIn = (prompt: unknown) =>
  (prompt as string).match(/[A-Za-z]+/g)!.filter((word) => names.includes(word));

for (const { title, missing, open } of CASES)
  describeWith({ missing }, title, () => {
    let tokenizer: Tokenizer;
    beforeAll(async () => {
      tokenizer = await open();
    });

    test('the answer is the person named once, the distractor the one named twice', () => {
      for (const { clean, answers, distractors, group } of generateTask('ioi', { tokenizer, seed: 3, counts })
        .splits.train) {
        const [a, b, subject] = namesIn(clean);
        const [receiver, order] = subject === b ? [a, 'ABBA'] : [b, 'BABA'];
        expect(namesIn(clean)).toHaveLength(3);
        expect([answers, distractors]).toEqual([[` ${receiver}`], [` ${subject}`]]);
        expect(receiver).not.toBe(subject);
        expect(group!.endsWith(`/${order}`)).toBe(true);
      }
    });

    test('the corrupted prompt is the same but for three different, new names', () => {
      for (const { clean, corrupted } of generateTask('ioi', { tokenizer, seed: 4, counts }).splits.train) {
        const [before, after] = [namesIn(clean), namesIn(corrupted)];
        expect(new Set([...before, ...after]).size).toBe(5);
        const rest = (prompt: unknown, own: string[]) => (prompt as string).split(new RegExp(own.join('|')));
        expect(rest(corrupted, after)).toEqual(rest(clean, before));
      }
    });

    test('both orders and every template are about as frequent', () => {
      const groups = new Map<string, number>();
      const { train } = generateTask('ioi', { tokenizer, seed: 5 }).splits;
      for (const { group } of train) groups.set(group!, (groups.get(group!) ?? 0) + 1);
      expect(groups.size).toBe(10);
      // 1,000 draws over ten groups: mean 100, standard deviation 9.5; 50 is five deviations away.
      for (const count of groups.values()) expect(Math.abs(count - 100)).toBeLessThan(50);
    });

    test('names stand in one or two tokens; in aligned pairs all five in as many', () => {
      const { train } = generateTask('ioi', { tokenizer, seed: 6, counts, aligned: true }).splits;
      for (const { clean, corrupted } of train) {
        const lengths = [...namesIn(clean), ...namesIn(corrupted)].map((name) => nameLength(tokenizer, name));
        expect(new Set(lengths).size).toBe(1);
        expect(lengths[0]).not.toBeNull();
      }
    });
  });

test('names that the tokenizer lacks are dropped, counted and never used', async () => {
  const lacking = ['Mary', 'John', 'Peter'];
  const tokenizer = await openWordTokenizer(taskVocabulary().filter((word) => !lacking.includes(word)));
  const { report, splits } = generateTask('ioi', { tokenizer, seed: 1, counts });
  expect(report.lists.find(({ list }) => list === 'names')).toEqual({
    list: 'names',
    kept: 77,
    of: 80,
    dropped: lacking,
  });
  for (const { clean, corrupted } of splits.train)
    for (const name of lacking) expect(`${clean} ${corrupted}`).not.toContain(name);
});

test('four names are too few', async () => {
  const tokenizer = await openWordTokenizer(
    taskVocabulary().filter((word) => !names.slice(4).includes(word)),
  );
  expect(() => generateTask('ioi', { tokenizer, seed: 1, counts })).toThrow(
    /^ioi: 4 of 80 names stand in one or two tokens.*at least 5, 1 and 1 are needed/,
  );
});

describeWith(TINY_STORIES, 'TinyStories', () => {
  test('is refused: its tokens reach across spaces, so that a name changes the tokens in front of it', async () => {
    const tokenizer = await openTokenizer(TINY_STORIES.path);
    expect(() => generateTask('ioi', { tokenizer, seed: 1 })).toThrow(
      'ioi: 0 of 80 names stand in one or two tokens',
    );
  });
});
