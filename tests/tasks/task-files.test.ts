/** A task on disk: a file a split, read back as the same pairs, and never over what is there. */
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readPromptPairs } from '../../src/formats/prompt-pairs.js';
import { writeTask } from '../../src/tasks/task-files.js';
import { generateTask, TASKS } from '../../src/tasks/tasks.js';
import { taskVocabulary } from '../../src/tasks/vocabulary.js';
import { openWordTokenizer } from '../support/tokenizers.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'orthoscope-task-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

test.each(TASKS.map(({ name }) => name))('%s comes back as it was written', async (name) => {
  const tokenizer = await openWordTokenizer(taskVocabulary(TASKS));
  const task = generateTask(name, { tokenizer, seed: 1, counts: { train: 6, validation: 0, test: 3 } });
  const target = join(folder, 'new', 'task');
  const paths = await writeTask(target, task);
  expect(paths).toEqual([join(target, 'train.jsonl'), join(target, 'test.jsonl')]);
  expect(await readPromptPairs(paths[0]!)).toEqual(task.splits.train);
  expect(await readPromptPairs(paths[1]!)).toEqual(task.splits.test);
});

test('a folder that holds one of the files is left as it is', async () => {
  const tokenizer = await openWordTokenizer(taskVocabulary());
  const task = generateTask('ioi', { tokenizer, seed: 1, counts: { train: 2, validation: 2, test: 2 } });
  writeFileSync(join(folder, 'test.jsonl'), 'mine');
  await expect(writeTask(folder, task)).rejects.toThrow(`${join(folder, 'test.jsonl')}: exists already`);
  expect(readdirSync(folder)).toEqual(['test.jsonl']);
  expect(existsSync(join(folder, 'train.jsonl'))).toBe(false);
});
