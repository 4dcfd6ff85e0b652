/** The tasks that can be generated for any tokenizer, by name. */
import { InputError } from '../errors.js';
import type { PromptPair } from '../formats/prompt-pairs.js';
import type { Tokenizer } from '../formats/tokenizer.js';
import { Random } from '../random.js';
import { oneDigitAddition, twoDigitAddition } from './addition.js';
import { docstring } from './docstring.js';
import { drawSplits } from './draw-splits.js';
import { genderedPronoun } from './gendered-pronoun.js';
import { greaterThan } from './greater-than.js';
import { induction } from './induction.js';
import { ioi } from './ioi.js';
import { emptyReport, keep, type TaskReport } from './report.js';
import { SPLITS, type Split, type SplitCounts } from './splits.js';
import { subjectVerb } from './subject-verb.js';
import type { Task } from './task.js';
import { encodeWordsAhead, isKnown } from './token-fit.js';

/** The paper's tasks, which the embedded model has learned. */
export const PAPER_TASKS: readonly Task[] = [ioi, greaterThan, genderedPronoun];

export const TASKS: readonly Task[] = [
  ...PAPER_TASKS,
  oneDigitAddition,
  twoDigitAddition,
  induction,
  docstring,
  subjectVerb,
];

export interface TaskOptions {
  tokenizer: Tokenizer;
  seed: number;
  /** Numbers of pairs; the paper's where absent. */
  counts?: Partial<SplitCounts>;
  /** True: clean and corrupted prompts have the same number of tokens, pair by pair. */
  aligned?: boolean;
  /** Ids of the templates to use; all where absent. */
  templates?: readonly string[];
  /** Id of the corruption; the paper's where absent. */
  corruption?: string;
}

export interface GeneratedTask {
  name: string;
  score: Task['score'];
  splits: Record<Split, PromptPair[]>;
  report: TaskReport;
}

/**
 * Prompt pairs of a task, given or by its name, for a tokenizer. The same options give the same pairs on every machine, and no
 * clean prompt comes twice, within a split or in two. Where the words that fit the tokenizer make too few
 * different prompts, all splits shrink in proportion and the report says so.
 *
 * @throws InputError for an unknown task, template or corruption, wrong counts, or a tokenizer that the task cannot be set for.
 */
export function generateTask(which: string | Task, options: TaskOptions): GeneratedTask {
  const { tokenizer, seed, aligned = false } = options;
  const task = typeof which === 'string' ? taskNamed(which) : which;
  const report = emptyReport(checkedCounts(task, options.counts));
  encodeWordsAhead(tokenizer, Object.values(task.words).flat());
  const templates = keep(
    report,
    'templates',
    chosenTemplates(task, options.templates),
    ({ text }) => isKnown(tokenizer, text.replace(/ ?\{\w+\}/g, '')),
    ({ id }) => id,
  );
  if (templates.length === 0)
    throw new InputError(
      `${task.name}: every template has a word that the tokenizer does not know; give your own prompt pairs`,
    );
  const corruption = chosenCorruption(task, options.corruption);
  const draw = task.prepare({ tokenizer, aligned, templates, corruption, report });
  const splits = drawSplits(
    task.name,
    draw,
    { tokenizer, aligned, report },
    new Random(seed).fork(`task ${task.name}`),
  );
  return { name: task.name, score: task.score, splits, report };
}

/** @throws InputError if there is no task of that name. */
export function taskNamed(name: string): Task {
  const task = TASKS.find((candidate) => candidate.name === name);
  if (task) return task;
  throw new InputError(`no task "${name}"; choose one of ${TASKS.map((known) => known.name).join(', ')}`);
}

function checkedCounts(task: Task, counts: Partial<SplitCounts> = {}): SplitCounts {
  const asked = { ...task.counts, ...counts };
  for (const split of SPLITS)
    if (!Number.isInteger(asked[split]) || asked[split] < 0)
      throw new InputError(
        `${task.name}: ${asked[split]} ${split} pairs asked for; give a whole number, 0 or more`,
      );
  if (SPLITS.every((split) => asked[split] === 0))
    throw new InputError(`${task.name}: no pairs asked for; give at least one split a number above 0`);
  return asked;
}

function chosenTemplates({ name, templates }: Task, ids: readonly string[] | undefined) {
  if (ids === undefined) return templates;
  const unknown = ids.find((id) => !templates.some((template) => template.id === id));
  if (unknown === undefined && ids.length > 0) return templates.filter(({ id }) => ids.includes(id));
  const found = unknown === undefined ? 'no templates asked for' : `no template "${unknown}"`;
  throw new InputError(`${name}: ${found}; choose from ${templates.map(({ id }) => id).join(', ')}`);
}

function chosenCorruption({ name, corruptions }: Task, id = corruptions[0]!.id): string {
  if (corruptions.some((corruption) => corruption.id === id)) return id;
  throw new InputError(
    `${name}: no corruption "${id}"; choose from ${corruptions.map((known) => known.id).join(', ')}`,
  );
}
