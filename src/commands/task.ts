/** `task`: writes a task's prompt pairs for a tokenizer, or checks a file of them. */
import { InputError } from '../errors.js';
import { readPromptPairs } from '../formats/prompt-pairs.js';
import { encodePairs } from '../formats/token-pairs.js';
import type { LongCall } from '../progress.js';
import { taskOptions } from '../run/data.js';
import { withSubject } from '../run/subject.js';
import type { Given } from '../settings/commands.js';
import { complete } from '../settings/complete.js';
import { type Finding, lintPairs, summariseFindings } from '../tasks/lint.js';
import type { TaskReport } from '../tasks/report.js';
import { writeTask } from '../tasks/task-files.js';
import { generateTask } from '../tasks/tasks.js';

/** @throws InputError if no task or folder is named, or the task does not fit the tokenizer */
export function writeTaskFiles(
  given: Given<'task'>,
  call: LongCall = {},
): Promise<{ files: string[]; report: TaskReport }> {
  const settings = complete('task', given);
  const { task: name, out } = settings;
  if (name === null)
    throw new InputError('nothing to do: give --task NAME with --out FOLDER, or --data FILE');
  if (out === null) throw new InputError('--out is missing: name a folder for the prompt pairs');
  return withSubject(settings.model, { ...settings, ...call }, async ({ tokenizer, source }) => {
    if (!tokenizer) throw new InputError(`${source.folder}: no tokenizer.json, which a task needs`);
    const task = generateTask(name, { ...taskOptions(settings), tokenizer });
    return { files: await writeTask(out, task), report: task.report };
  });
}

/** What is found in a file of prompt pairs that does not fit it for the model. */
export function checkTaskFile(
  given: Given<'task'> & { data: string },
  call: LongCall = {},
): Promise<ReturnType<typeof summariseFindings> & { findings: Finding[] }> {
  const settings = complete('task', given);
  return withSubject(settings.model, { ...settings, ...call }, async ({ tokenizer, model }) => {
    const pairs = await readPromptPairs(given.data, settings.columns);
    const encoded = encodePairs(pairs, tokenizer, model.architecture, given.data);
    const findings = lintPairs(pairs, encoded, tokenizer, settings.positions);
    return { ...summariseFindings(findings, pairs.length), findings };
  });
}
