/** The words of tasks, for a tokenizer whose tokens are whole words. */
import type { Task } from './task.js';
import { PAPER_TASKS } from './tasks.js';

/**
 * What counts as one word, as a regular expression source: digits by twos (`1741` → `17`, `41`), letters with
 * what an apostrophe joins to them (`isn't`), any other sign alone.
 */
export const WORD_PATTERN = "[0-9][0-9]?|[A-Za-z]+(?:'[a-z]+)?|[^\\sA-Za-z0-9]";

/** Every word that a prompt or an answer of the tasks can hold, sorted, each once. */
export function taskVocabulary(tasks: readonly Task[] = PAPER_TASKS): string[] {
  const texts = tasks.flatMap(({ templates, words }) => [
    ...templates.map(({ text }) => text.replace(/\{\w+\}/g, ' ')),
    ...Object.values(words).flat(),
  ]);
  const found = texts.flatMap((text) => text.match(new RegExp(WORD_PATTERN, 'g')) ?? []);
  return [...new Set(found)].sort();
}
