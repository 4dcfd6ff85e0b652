/** The IOI task out of a folder of building blocks, as the MIB benchmark publishes them. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { InputError } from '../../src/errors.js';
import { encodePairs } from '../../src/formats/token-pairs.js';
import { hasBuildingBlocks, readBuildingBlocks } from '../../src/tasks/building-blocks.js';
import { lintPairs } from '../../src/tasks/lint.js';
import { generateTask } from '../../src/tasks/tasks.js';
import { temporaryFolder } from '../support/temporary-folder.js';
import { describeWith, PROMPT_SETS } from '../support/test-data.js';
import { openGpt2 } from '../support/tokenizers.js';

const folder = temporaryFolder();

function blocks(changes: Record<string, unknown> = {}): string {
  mkdirSync(folder, { recursive: true });
  const lists = {
    templates: [
      'Then {name_A} and {name_B} went to the {place}. {name_C} gave a {object} to',
      'Then {name_A} and {name_B} ran. {name_C} gave an {object} to',
    ],
    names: ['Mary', 'John', 'Tom', 'Anna', 'Jack', 'Sarah'],
    places: ['store'],
    objects: ['ball'],
    ...changes,
  };
  for (const [name, list] of Object.entries(lists))
    writeFileSync(join(folder, `${name}.json`), JSON.stringify(list));
  return folder;
}

it('draws pairs from the parts, with the article that an object has', async () => {
  const tokenizer = await openGpt2();
  expect(hasBuildingBlocks(blocks())).toBe(true);
  const counts = { train: 20, validation: 0, test: 4 };
  const { splits, report } = generateTask(await readBuildingBlocks(folder), { tokenizer, seed: 1, counts });
  expect(splits.train).toHaveLength(20);
  for (const { clean, answers, distractors } of splits.train) {
    const [, first, second, subject] = /^Then (\w+) and (\w+) went to the store\. (\w+) gave a ball to$/.exec(
      clean as string,
    )!;
    expect([first, second]).toContain(subject);
    expect(distractors).toEqual([` ${subject}`]);
    expect(answers).toEqual([` ${subject === first ? second : first}`]);
  }
  expect(report.lists).toContainEqual({
    list: 'templates whose article an object has',
    kept: 1,
    of: 2,
    dropped: ['2'],
  });
});

it.each<[Record<string, unknown>, RegExp]>([
  [{ names: [] }, /names\.json: expected a list of texts/],
  [{ objects: ['ball', 5] }, /objects\.json: expected a list of texts, found the number 5/],
  [{ templates: ['{name_A} and {name_B}'] }, /sentence 1 has no \{name_C\}/],
  [{ templates: ['{name_A} {name_B} {name_C} {verb}'] }, /sentence 1 has \{verb\}; slots are/],
])('refuses %j', async (changes, message) => {
  const reading = readBuildingBlocks(blocks(changes));
  await expect(reading).rejects.toThrow(InputError);
  await expect(reading).rejects.toThrow(message);
});

describeWith(PROMPT_SETS, "MIB's own", () => {
  it('make pairs that the linter finds nothing in', async () => {
    const task = await readBuildingBlocks(join(PROMPT_SETS.path, 'mib'));
    const tokenizer = await openGpt2();
    const counts = { train: 200, validation: 0, test: 0 };
    const { splits, report } = generateTask(task, { tokenizer, seed: 0, counts, aligned: true });
    const pairs = splits.train;
    expect(report.lists.find(({ list }) => list.startsWith('templates whose'))).toMatchObject({
      kept: 39,
      of: 70,
    });
    const encoded = encodePairs(pairs, tokenizer, { nVocab: 50257, nPositions: 1024 });
    expect(lintPairs(pairs, encoded, tokenizer)).toEqual([]);
  });
});
