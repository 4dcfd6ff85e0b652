/** Vocabularies of tasks: enough for every prompt and answer, and no word too many. */
import { expect, test } from 'vitest';
import { generateTask, TASKS } from '../../src/tasks/tasks.js';
import { taskVocabulary } from '../../src/tasks/vocabulary.js';
import { openWordTokenizer } from '../support/tokenizers.js';

const shown = async (text: string) => {
  const tokenizer = await openWordTokenizer(taskVocabulary(TASKS));
  return tokenizer.encode(text).map((id) => tokenizer.token(id).trim());
};

test('every prompt and answer of the full tasks is whole words, none unknown', async () => {
  const tokenizer = await openWordTokenizer(taskVocabulary(TASKS));
  expect(tokenizer.unknownId).toBe(0);
  for (const { name } of TASKS) {
    const { splits, report } = generateTask(name, { tokenizer, seed: 1 });
    for (const { list, kept, of } of report.lists) expect([list, kept]).toEqual([list, of]);
    expect(report.refused).toEqual({});
    const texts = Object.values(splits)
      .flat()
      .flatMap(({ clean, corrupted, answers, distractors }) => [clean, corrupted, ...answers, ...distractors])
      .filter((text) => typeof text === 'string');
    tokenizer.encodeAhead(texts);
    for (const text of texts) expect(tokenizer.encode(text)).not.toContain(0);
  }
});

test('every word is met in some prompt or answer', async () => {
  const tokenizer = await openWordTokenizer(taskVocabulary(TASKS));
  const met = new Set<number>();
  for (const { name } of TASKS)
    for (const pair of Object.values(generateTask(name, { tokenizer, seed: 2 }).splits).flat())
      for (const part of [pair.clean, pair.corrupted!, ...pair.answers, ...pair.distractors])
        if (typeof part === 'number') met.add(part);
        else for (const id of tokenizer.encode(part as string)) met.add(id);
  expect(tokenizer.size).toBe(1 + taskVocabulary(TASKS).length);
  expect(taskVocabulary(TASKS).filter((_, i) => !met.has(i + 1))).toEqual([]);
});

test('years are cut by twos, contractions stay whole, marks stand alone, strangers are unknown', async () => {
  expect(await shown('The war lasted from the year 1741 to the year 17')).toEqual(
    'The war lasted from the year 17 41 to the year 17'.split(' '),
  );
  expect(await shown("So Sarah is a great friend, isn't she")).toEqual(
    "So Sarah is a great friend , isn't she".split(' '),
  );
  expect(await shown('Sarahs war.')).toEqual(['[UNK]', 'war', '.']);
});

test('decodes to text with its spaces and marks in place', async () => {
  const tokenizer = await openWordTokenizer(taskVocabulary(TASKS));
  const text = "So Sarah is such a great friend, isn't she";
  expect(tokenizer.decode(tokenizer.encode(text))).toBe(text);
});
