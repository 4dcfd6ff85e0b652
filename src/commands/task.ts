/** `task`: writes a task's prompt pairs for a tokenizer, or checks a file of them. */
import { openEngine } from '../engine/engine.js';
import { InputError } from '../errors.js';
import { type ModelAnswers, modelAnswers } from '../evaluate/model-answers.js';
import { readPromptPairs } from '../formats/prompt-pairs.js';
import { encodePairs } from '../formats/token-pairs.js';
import type { Listener, LongCall } from '../progress.js';
import { taskOptions } from '../run/data.js';
import { withSubject } from '../run/subject.js';
import type { Given } from '../settings/commands.js';
import { complete } from '../settings/complete.js';
import { readBuildingBlocks } from '../tasks/building-blocks.js';
import { type Finding, lintPairs, summariseFindings } from '../tasks/lint.js';
import type { TaskReport } from '../tasks/report.js';
import { writeTask } from '../tasks/task-files.js';
import { generateTask } from '../tasks/tasks.js';

/**
 * Writes the pairs of a task that is named, or of building blocks in the folder `data`.
 * @throws InputError if no task or folder is named, or the task does not fit the tokenizer
 */
export function writeTaskFiles(
  given: Given<'task'>,
  call: LongCall = {},
): Promise<{ files: string[]; report: TaskReport }> {
  const settings = complete('task', given);
  const { task: name, out, data } = settings;
  if (name === null && data === null)
    throw new InputError('nothing to do: give --task NAME with --out FOLDER, or --data FILE');
  if (out === null) throw new InputError('--out is missing: name a folder for the prompt pairs');
  return withSubject(settings.model, { ...settings, ...call }, async ({ tokenizer, source }) => {
    if (!tokenizer) throw new InputError(`${source.folder}: no tokenizer.json, which a task needs`);
    const which = data === null ? name! : await readBuildingBlocks(data);
    const task = generateTask(which, { ...taskOptions(settings), tokenizer });
    return { files: await writeTask(out, task), report: task.report };
  });
}

/** What is found in a file of prompt pairs. */
export interface CheckedFile extends ReturnType<typeof summariseFindings> {
  /** How the model itself does on the pairs; null where nobody asked, or no pair has an answer. */
  model: (Omit<ModelAnswers, 'instead'> & { instead: { token: string; pairs: number }[] }) | null;
  findings: Finding[];
}

/** What of a file of prompt pairs does not fit it for the model, and how well the model answers. */
export function checkTaskFile(
  given: Given<'task'> & { data: string },
  { onNote, ...call }: Listener = {},
): Promise<CheckedFile> {
  const settings = complete('task', given);
  return withSubject(settings.model, { ...settings, ...call }, async ({ tokenizer, model }) => {
    const pairs = await readPromptPairs(given.data, settings.columns);
    const encoded = encodePairs(pairs, tokenizer, model.architecture, given.data);
    const findings = lintPairs(pairs, encoded, tokenizer, settings.positions);
    const found = settings.ask === 0 ? null : await answersOf(encoded);
    return { ...summariseFindings(findings, pairs.length), model: found, findings };

    async function answersOf(all: typeof encoded): Promise<CheckedFile['model']> {
      const engine = await openEngine(settings);
      onNote?.(`engine ${engine.name} (${engine.version}): ${engine.reason}`);
      const answers = await modelAnswers(engine, model, all, settings.ask, call);
      return (
        answers && {
          ...answers,
          instead: answers.instead.map(({ id, pairs: often }) => ({
            token: tokenizer ? tokenizer.token(id) : `token ${id}`,
            pairs: often,
          })),
        }
      );
    }
  });
}
