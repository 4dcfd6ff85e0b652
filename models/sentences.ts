/** What the embedded model learns from and is tested on: prompts of every task, clean and corrupted, each with its answers. */
import type { PromptPair } from '../src/formats/prompt-pairs.js';
import { encodePairs } from '../src/formats/token-pairs.js';
import type { Tokenizer } from '../src/formats/tokenizer.js';
import { genderedPronoun } from '../src/tasks/gendered-pronoun.js';
import { greaterThan } from '../src/tasks/greater-than.js';
import { ioi } from '../src/tasks/ioi.js';
import { SPLITS } from '../src/tasks/splits.js';
import { type GeneratedTask, generateTask, PAPER_TASKS } from '../src/tasks/tasks.js';

/** The default seed of the command line: a first run sees no prompt that the model was trained on. */
export const HELD_OUT_SEED = 0;

/** A prompt and the tokens that may follow it, all equally likely. */
export interface Sentence {
  prompt: Int32Array;
  answers: Int32Array;
}

/** The tasks' pairs that are kept from training: all splits of the paper's sizes. */
export function heldOutTasks(tokenizer: Tokenizer): GeneratedTask[] {
  return PAPER_TASKS.map(({ name }) => generateTask(name, { tokenizer, seed: HELD_OUT_SEED }));
}

/**
 * Two sentences a pair, the clean and the corrupted prompt; none has the text of a held-out prompt.
 * @param pairs drawn a task
 */
export function trainingSentences(tokenizer: Tokenizer, seed: number, pairs: number): Sentence[] {
  const heldOut = new Set(
    heldOutTasks(tokenizer).flatMap(({ splits }) =>
      SPLITS.flatMap((split) => splits[split].flatMap(({ clean, corrupted }) => [clean, corrupted])),
    ),
  );
  const limits = { nVocab: tokenizer.size, nPositions: Number.POSITIVE_INFINITY };
  return PAPER_TASKS.flatMap(({ name }) => {
    const counts = { train: pairs, validation: 0, test: 0 };
    const { train } = generateTask(name, { tokenizer, seed, counts }).splits;
    const prompts = train.flatMap((pair) => [pair, corruptedAsPrompt(name, pair)]);
    const fresh = prompts.filter(({ clean }) => !heldOut.has(clean));
    return encodePairs(fresh, tokenizer, limits).map(({ clean, answers }) => ({ prompt: clean, answers }));
  });
}

/**
 * The corrupted prompt as a prompt of its own, with its own answers: the other pronoun; the ends after its own year;
 * of three different names, either of the first two.
 */
export function corruptedAsPrompt(task: string, pair: PromptPair): PromptPair {
  const { id, answers, distractors } = pair;
  const clean = pair.corrupted as string;
  switch (task) {
    case genderedPronoun.name:
      return { id, clean, answers: distractors, distractors: answers };
    case greaterThan.name: {
      const ends = [...distractors, ...answers] as number[];
      const end = Number(clean.match(/[0-9]{2}(?<end>[0-9]{2})/)!.groups!.end);
      return { id, clean, answers: ends.slice(end + 1), distractors: ends.slice(0, end + 1) };
    }
    case ioi.name: {
      const names = clean.match(/\w+/g)!.filter((word) => ioi.words.names!.includes(word));
      const [first, second, subject] = names.map((name) => ` ${name}`) as [string, string, string];
      return { id, clean, answers: [first, second], distractors: [subject] };
    }
    default:
      throw new Error(`no answers are known for corrupted prompts of ${task}`);
  }
}
