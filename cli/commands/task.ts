/** `orthoscope task`: writes a task's prompt pairs for a tokenizer, or checks a user's file. */
import { checkTaskFile, writeTaskFiles } from '../../src/commands/task.js';
import { reportLines } from '../../src/tasks/report.js';
import type { Handler } from '../context.js';

/** Findings of a kind that are shown as text; --json has them all. */
const EXAMPLES = 3;

export const task: Handler<'task'> = async (settings, context) => {
  const { data } = settings;
  if (data == null) {
    const { files, report } = await writeTaskFiles(settings, context);
    context.result({ files, report }, [...reportLines(report), ...files].join('\n'));
    return;
  }
  const found = await checkTaskFile({ ...settings, data }, context);
  const kinds = Object.entries(found.counts).map(([kind, count]) => `${kind} ${count}`);
  const lines = Object.keys(found.counts).flatMap((kind) => {
    const examples = found.findings.filter((finding) => finding.kind === kind).slice(0, EXAMPLES);
    return examples.map(({ id, message }) => `${id}  ${kind}  ${message}`);
  });
  lines.push(`${found.sound} of ${found.pairs} pairs without a finding`, ...kinds);
  context.result(found, lines.join('\n'));
};
