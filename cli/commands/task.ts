/** `orthoscope task`: writes a task's prompt pairs for a tokenizer, or checks a user's file. */
import { type CheckedFile, checkTaskFile, writeTaskFiles } from '../../src/commands/task.js';
import { percent } from '../../src/report/figures.js';
import { hasBuildingBlocks } from '../../src/tasks/building-blocks.js';
import { reportLines } from '../../src/tasks/report.js';
import type { Handler } from '../context.js';
import { quoted } from '../text.js';

/** Findings of a kind that are shown as text; --json has them all. */
const EXAMPLES = 3;

export const task: Handler<'task'> = async (settings, context) => {
  const { data } = settings;
  if (data == null || hasBuildingBlocks(data)) {
    const { files, report } = await writeTaskFiles(settings, context);
    context.result({ files, report }, [...reportLines(report), ...files].join('\n'));
    return;
  }
  const found = await checkTaskFile({ ...settings, data }, context);
  const lines = Object.entries(found.counts).flatMap(([kind, count]) => {
    const examples = found.findings.filter((finding) => finding.kind === kind).slice(0, EXAMPLES);
    return [
      `${kind}: ${plural(count)}`,
      ...examples.map(({ id, message }) => `  ${id}  ${message}`),
      ...(count > EXAMPLES ? [`  and ${count - EXAMPLES} more (--json)`] : []),
    ];
  });
  lines.push(`${found.sound} of ${found.pairs} pairs without a finding`, ...answerLines(found.model));
  context.result(found, lines.join('\n'));
};

function plural(count: number): string {
  return count === 1 ? '1 pair' : `${count} pairs`;
}

function answerLines(model: CheckedFile['model']): string[] {
  if (model === null) return [];
  const { asked, accuracy, preferred, instead } = model;
  const said = instead.map(({ token, pairs }) => `${quoted(token)} (${pairs})`).join(', ');
  return [
    `the model's likeliest token is an answer on ${percent(accuracy)} of ${plural(asked)}` +
      (preferred === null ? '' : `; it prefers an answer to the distractors on ${percent(preferred)}`),
    ...(said === '' ? [] : [`where it is none, the model says ${said}`]),
  ];
}
