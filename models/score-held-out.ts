/** How well a model folder solves the tasks on prompts that it was not trained on, measured through the library. */
import type { Engine } from '../src/engine/engine.js';
import { scorePrompts } from '../src/evaluate/prompt-scores.js';
import type { PromptPair } from '../src/formats/prompt-pairs.js';
import { encodePairs } from '../src/formats/token-pairs.js';
import { openTokenizer } from '../src/formats/tokenizer.js';
import { MaskedModel } from '../src/forward/masked-model.js';
import { openModel } from '../src/models/open-model.js';
import { PreparedPairs } from '../src/pairs/prepared-pairs.js';
import { mean } from '../src/statistics/summary.js';
import { PAPER_TASKS } from '../src/tasks/tasks.js';
import { corruptedAsPrompt, heldOutTasks } from './sentences.js';

export interface Score {
  prompts: number;
  /** Share of prompts whose likeliest token, of the whole vocabulary, is an answer. */
  accuracy: number;
  /** Mean of Σ p(answers) − Σ p(distractors). */
  probability_difference: number;
}

const REQUIRED = { accuracy: 0.99, probability_difference: 0.9 };

/** By task: the test split's clean prompts, and its corrupted ones as prompts in their own right. */
export type Scores = Record<string, { clean: Score; corrupted: Score }>;

/** @param limit most prompts a score; all by default */
export async function scoreHeldOut(
  folder: string,
  engine: Engine,
  limit = Number.POSITIVE_INFINITY,
): Promise<Scores> {
  const tokenizer = await openTokenizer(folder);
  const source = await openModel(folder);
  // Nothing is masked: no directions are needed.
  const model = await MaskedModel.load(engine, source, null);
  const score = async (prompts: PromptPair[]): Promise<Score> => {
    const pairs = encodePairs(prompts, tokenizer, source.architecture);
    const prepared = await PreparedPairs.prepare(model, pairs, { replacement: 'zero', seed: 0 });
    const { full_accuracy, full_prob_diff } = await scorePrompts(prepared, new Float32Array(0));
    return {
      prompts: pairs.length,
      accuracy: mean(full_accuracy)!,
      probability_difference: mean(full_prob_diff)!,
    };
  };
  const scores: Scores = {};
  for (const { name, splits } of heldOutTasks(tokenizer)) {
    const test = splits.test.slice(0, limit);
    scores[name] = {
      clean: await score(test),
      corrupted: await score(test.map((pair) => corruptedAsPrompt(name, pair))),
    };
  }
  model.dispose();
  await source.close();
  return scores;
}

/** What the scores lack of what the embedded model must reach on clean prompts, in words; null if nothing. */
export function shortfall(scores: Scores): string | null {
  for (const { name, score } of PAPER_TASKS) {
    const measure = score === 'accuracy' ? 'accuracy' : 'probability_difference';
    const reached = scores[name]!.clean[measure];
    if (reached < REQUIRED[measure])
      return `${name}: ${measure.replace('_', ' ')} ${reached.toFixed(3)}, ${REQUIRED[measure]} is required`;
  }
  return null;
}
