/** Prompts that an intervention should leave alone. */
import { InputError } from '../errors.js';
import { readPromptPairs } from '../formats/prompt-pairs.js';
import { encodePairs, type TokenPair } from '../formats/token-pairs.js';
import type { Subject } from '../run/subject.js';
import { generateTask, TASKS } from '../tasks/tasks.js';

/**
 * The first prompts of a file, or as many of each task that the tokenizer knows but the tested one.
 * @param file null: tasks
 * @param tested name of the task under test
 * @param count of all together
 */
export async function unrelatedPrompts(
  { model, tokenizer }: Subject,
  { file, tested, count, seed }: { file: string | null; tested: string | null; count: number; seed: number },
): Promise<{ pairs: TokenPair[]; source: string }> {
  if (count === 0) return { pairs: [], source: '' };
  if (file !== null) {
    const pairs = (await readPromptPairs(file)).slice(0, count);
    return { pairs: encodePairs(pairs, tokenizer, model.architecture, file), source: file };
  }
  if (!tokenizer) return { pairs: [], source: '' };
  const found = TASKS.filter(({ name }) => name !== tested).flatMap((task) => {
    try {
      const counts = { train: 0, validation: 0, test: count };
      const { splits } = generateTask(task.name, { tokenizer, seed, counts });
      return [{ name: task.name, pairs: encodePairs(splits.test, tokenizer, model.architecture) }];
    } catch (error) {
      // The tokenizer lacks its words.
      if (error instanceof InputError) return [];
      throw error;
    }
  });
  const each = Math.ceil(count / Math.max(1, found.length));
  return {
    pairs: found.flatMap(({ pairs }) => pairs.slice(0, each)).slice(0, count),
    source: found.map(({ name }) => name).join(', '),
  };
}
