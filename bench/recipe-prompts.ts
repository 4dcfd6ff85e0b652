/** The prompts of a recipe: its task's own, or some of them. */
import { join } from 'node:path';
import { writePromptPairs } from '../src/formats/prompt-pairs.js';
import { openTokenizer } from '../src/formats/tokenizer.js';
import type { DataRequest } from '../src/run/data.js';
import { SPLITS, type Split } from '../src/tasks/splits.js';
import { generateTask } from '../src/tasks/tasks.js';
import type { Recipe } from './recipes.js';

/** Different prompts of one sentence; what a recipe keeps of them must fill its splits. */
const DRAWN = 22_000;

/** @param folder takes the files of prompts that are some of a task's */
export async function recipePrompts(
  recipe: Recipe,
  model: string,
  task: string,
  seed: number,
  folder: string,
): Promise<Partial<DataRequest>> {
  const counts = recipe.counts?.(task);
  const templates = recipe.templates?.(task);
  const { train: trainPairs, validation: validationPairs, test: testPairs } = counts ?? {};
  const sizes = { trainPairs, validationPairs, testPairs };
  if (!recipe.keeps) return { seed, task, ...sizes, templates };
  const { keeps } = recipe;
  const tokenizer = await openTokenizer(model);
  const { splits } = generateTask(task, {
    tokenizer,
    seed,
    templates,
    counts: { train: DRAWN, validation: 0, test: 0 },
  });
  const kept = splits.train.filter(({ clean }) => keeps(clean as string));
  const files = {} as Record<Split, string>;
  for (const split of SPLITS) {
    const wanted = counts?.[split] ?? 0;
    if (kept.length < wanted) throw new Error(`${task}: too few prompts are kept for ${wanted} of ${split}`);
    files[split] = join(folder, `${task}-${seed}-${split}.jsonl`);
    await writePromptPairs(files[split], kept.splice(0, wanted));
  }
  return { seed, data: files.train, validation: files.validation, test: files.test };
}
