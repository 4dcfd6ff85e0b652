/** Greater-than: which years a tokenizer admits, and which tokens count as right and as wrong. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import type { PromptPair } from '../../src/formats/prompt-pairs.js';
import type { Tokenizer } from '../../src/formats/tokenizer.js';
import { generateTask } from '../../src/tasks/tasks.js';
import { taskVocabulary } from '../../src/tasks/vocabulary.js';
import { hasForm, YEARS, yearForm } from '../../src/tasks/years.js';
import { describeWith, PROMPT_SETS } from '../support/test-data.js';
import { CASES, openGpt2, openThreeDigitTokenizer, openWordTokenizer } from '../support/tokenizers.js';

const counts = { train: 150, validation: 1, test: 1 };
const yearsOf = (prompt: PromptPair['clean'] | undefined) => {
  const [, century, end, again] = /(\d\d)(\d\d) .*year (\d\d)$/.exec(prompt as string)!;
  return { century: century!, end: end!, again: again! };
};

for (const { title, missing, open } of CASES)
  describeWith({ missing }, title, () => {
    let tokenizer: Tokenizer;
    let pairs: PromptPair[];
    beforeAll(async () => {
      tokenizer = await open();
      pairs = generateTask('greater-than', { tokenizer, seed: 7, counts }).splits.train;
    });
    const valuesOf = (ids: readonly (string | number)[]) =>
      ids.map((id) => Number(tokenizer.decode([id as number])));

    test('begins and ends in one century; corruption changes the century and the scored digits', () => {
      const { width } = yearForm(tokenizer)!;
      for (const { clean, corrupted } of pairs) {
        const [before, after] = [yearsOf(clean), yearsOf(corrupted)];
        expect(before.again).toBe(before.century);
        expect(after.again).toBe(after.century);
        expect(after.century).not.toBe(before.century);
        expect(after.end.slice(0, width)).not.toBe(before.end.slice(0, width));
      }
    });

    test('right is every later end; wrong is every other one, but for an equal tens digit by itself', () => {
      const { width } = yearForm(tokenizer)!;
      const all = Array.from({ length: 10 ** width }, (_, value) => value);
      for (const { clean, answers, distractors } of pairs) {
        const value = Number(yearsOf(clean).end.slice(0, width));
        expect(valuesOf(answers)).toEqual(all.filter((other) => other > value));
        expect(valuesOf(distractors)).toEqual(
          all.filter((other) => (width === 2 ? other <= value : other < value)),
        );
      }
    });

    test('an end takes its token where it stands', () => {
      const { width } = yearForm(tokenizer)!;
      const year = YEARS.find(
        (year) => year.century === '16' && hasForm(tokenizer, year, yearForm(tokenizer)!),
      )!;
      const clean = `The war lasted from the year ${year.century}${year.end} to the year ${year.century}`;
      const prompt = tokenizer.encode(clean);
      const followed = tokenizer.encode(`${clean}${year.end}`);
      expect(followed.slice(0, prompt.length)).toEqual(prompt);
      expect(followed[prompt.length]).toBe(yearForm(tokenizer)!.ids[Number(year.end.slice(0, width))]);
    });
  });

test('two-digit ends are taken where the tokenizer has them, single digits otherwise, with a note', async () => {
  const [whole, pieces] = [await CASES[0]!.open(), await CASES[1]!.open()];
  expect(yearForm(whole)!.width).toBe(2);
  expect(generateTask('greater-than', { tokenizer: whole, seed: 1, counts }).report.notes).toEqual([]);
  expect(yearForm(pieces)!.width).toBe(1);
  const { notes, lists } = generateTask('greater-than', { tokenizer: pieces, seed: 1, counts }).report;
  expect(notes).toEqual([
    'years are single digits: scored on the tens digit, an equal tens digit counts neither way',
  ]);
  // Tens of 0 have nothing below them, tens of 9 nothing above.
  expect(lists.find(({ list }) => list === 'years')).toMatchObject({ kept: 640, of: 784 });
});

test('a year whose tokens are not those of the form does not have it', async () => {
  for (const { open } of CASES.slice(0, 2)) {
    const tokenizer = await open();
    const form = yearForm(tokenizer)!;
    const year = { century: '17', end: '41' };
    expect(hasForm(tokenizer, year, form)).toBe(true);
    expect(hasForm(tokenizer, year, { ...form, ids: form.ids.toReversed() })).toBe(false);
    expect(hasForm(tokenizer, year, { ...form, width: form.width === 1 ? 2 : 1 })).toBe(false);
  }
});

test('a tokenizer that cuts years by threes is refused', async () => {
  const tokenizer = await openThreeDigitTokenizer();
  expect(tokenizer.encode('1741').map((id) => tokenizer.token(id).trim())).toEqual(['174', '1']);
  expect(() => generateTask('greater-than', { tokenizer, seed: 1 })).toThrow(
    'neither as two digits and two digits',
  );
});

test('one century is not enough: no year is left to corrupt with', async () => {
  const others = ['11', '12', '13', '14', '15', '16', '18'];
  const tokenizer = await openWordTokenizer(taskVocabulary().filter((word) => !others.includes(word)));
  expect(() => generateTask('greater-than', { tokenizer, seed: 1 })).toThrow(/^greater-than: /);
});

describe('GPT-2', () => {
  test('a year with a token of its own is left out, and its end is known all the same', async () => {
    const tokenizer = await openGpt2();
    const { report } = generateTask('greater-than', { tokenizer, seed: 1, counts });
    const years = report.lists.find(({ list }) => list === 'years')!;
    expect(tokenizer.encode(' 1850')).toHaveLength(1);
    expect(years.dropped).toContain('1850');
    expect(years.dropped).not.toContain('1741');
    expect(tokenizer.token(yearForm(tokenizer)!.ids[0]!)).toBe('00');
  });
});

describeWith(PROMPT_SETS, 'published GPT-2 prompts', () => {
  const published = join(PROMPT_SETS.path, 'auto-circuit/greaterthan_gpt2-small_prompts.json');
  test('have years of our form, and the same right and wrong ends', async () => {
    const tokenizer = await openGpt2();
    const form = yearForm(tokenizer)!;
    const { prompts } = JSON.parse(readFileSync(published, 'utf8')) as {
      prompts: { clean: string; answers: string[]; wrong_answers: string[] }[];
    };
    expect(prompts).toHaveLength(1000);
    for (const { clean, answers, wrong_answers } of prompts) {
      const [, century, end] = /year (\d\d)(\d\d)/.exec(clean)!;
      expect(hasForm(tokenizer, { century: century!, end: end! }, form)).toBe(true);
      expect(answers.flatMap((text) => tokenizer.encodeBare(text))).toEqual(form.ids.slice(Number(end) + 1));
      expect(new Set(wrong_answers.flatMap((text) => tokenizer.encodeBare(text)))).toEqual(
        new Set(form.ids.slice(0, Number(end) + 1)),
      );
    }
  });
});
