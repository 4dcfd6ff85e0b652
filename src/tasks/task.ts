/** What a task is: the contract between the generators, each in its own file, and `generateTask`. */
import type { PromptPair } from '../formats/prompt-pairs.js';
import type { Tokenizer } from '../formats/tokenizer.js';
import type { Random } from '../random.js';
import type { TaskReport } from './report.js';
import type { SplitCounts } from './splits.js';

/** Prompt pairs of one split at most: far more than any circuit needs, few enough to be made within a minute. */
export const MOST_PAIRS = 100_000;

/** A sentence with slots in braces, e.g. `So {name} is such a {adjective} {noun}, isn't`. */
export interface Template {
  id: string;
  text: string;
}

/** A way to make the corrupted prompt from the clean one. */
export interface Corruption {
  id: string;
  /** One line for help texts and docs. */
  summary: string;
}

/** What a generator is given to work with. */
export interface TaskSetting {
  tokenizer: Tokenizer;
  /** True: the clean and the corrupted prompt of a pair have the same number of tokens. */
  aligned: boolean;
  /** The templates asked for whose every word the tokenizer knows; never empty. */
  templates: readonly Template[];
  /** One of the task's corruptions, by id. */
  corruption: string;
  /** Where a generator records what it dropped. */
  report: TaskReport;
}

/** A prompt pair before it has an id: generators write prompts as text and corrupt every one. */
export interface Drawn extends Omit<PromptPair, 'id'> {
  clean: string;
  corrupted: string;
}

export type Draw = (random: Random) => Drawn;

export interface Task {
  name: string;
  /** One line for help texts. */
  summary: string;
  /** Accuracy asks for the likeliest token; the probability difference is Σ p(answers) − Σ p(distractors). */
  score: 'accuracy' | 'probability-difference';
  /** The paper's split sizes. */
  counts: SplitCounts;
  templates: readonly Template[];
  /** Ways to corrupt a prompt; the first one is the paper's. */
  corruptions: readonly Corruption[];
  /** Every word that may fill a slot or be an answer, list by list. */
  words: Readonly<Record<string, readonly string[]>>;
  /** Words of the templates that have a class of their own where tokens are looked at by class. */
  templateWords?: Readonly<Record<string, readonly string[]>>;
  /**
   * Chooses the words that fit the tokenizer and returns the generator.
   * @throws InputError if too few words fit for the task to be set at all.
   */
  prepare(setting: TaskSetting): Draw;
}

/** The template's sentence with each `{slot}` replaced by its word. */
export function fill(template: Template, words: Readonly<Record<string, string>>): string {
  return template.text.replace(/\{(\w+)\}/g, (_, slot: string) => words[slot]!);
}
