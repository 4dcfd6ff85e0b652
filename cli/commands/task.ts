/** `orthoscope task`: writes a task's prompt pairs for a tokenizer, or checks a user's file. */
import type { CommandModule } from 'yargs';
import { InputError } from '../../src/errors.js';
import { readPromptPairs } from '../../src/formats/prompt-pairs.js';
import { encodePairs } from '../../src/formats/token-pairs.js';
import { type Subject, withSubject } from '../../src/run/subject.js';
import { lintPairs, summariseFindings } from '../../src/tasks/lint.js';
import { reportLines } from '../../src/tasks/report.js';
import { writeTask } from '../../src/tasks/task-files.js';
import { generateTask } from '../../src/tasks/tasks.js';
import { type Context, inContext } from '../context.js';
import {
  commonSettings,
  dataFlags,
  dataRequest,
  type Flags,
  maskingFlags,
  modelFlags,
  splitFlags,
} from '../options.js';

const { form, bos, seed } = modelFlags;

export const taskCommand: CommandModule<object, Flags> = {
  command: 'task <model>',
  describe: "Write a task's prompt pairs (--task, --out), or check a file (--data)",
  builder: (yargs) =>
    yargs
      .positional('model', { type: 'string', describe: 'Folder or hub id whose tokenizer is meant' })
      .options({ ...dataFlags, ...splitFlags, form, bos, seed, positions: maskingFlags.positions })
      .options({
        out: { type: 'string', describe: 'Folder for train.jsonl, validation.jsonl and test.jsonl' },
      }),
  handler: (flags) =>
    inContext(flags, (context) => {
      const model = flags.model as string;
      const options = { ...commonSettings(flags, model), ...context };
      return withSubject(model, options, (subject) =>
        flags.data === undefined ? writePairs(flags, subject, context) : checkPairs(flags, subject, context),
      );
    }),
};

async function checkPairs(flags: Flags, { tokenizer, model }: Subject, context: Context): Promise<void> {
  const pairs = await readPromptPairs(flags.data as string);
  const findings = lintPairs(
    pairs,
    encodePairs(pairs, tokenizer, model.architecture, flags.data as string),
    tokenizer,
  );
  const lines = findings.map(({ id, kind, message }) => `${id}  ${kind}  ${message}`);
  const summary = summariseFindings(findings, pairs.length);
  const kinds = Object.entries(summary.counts).map(([kind, count]) => `${kind} ${count}`);
  lines.push(`${summary.sound} of ${summary.pairs} pairs without a finding`, ...kinds);
  context.result({ ...summary, findings }, lines.join('\n'));
}

async function writePairs(flags: Flags, { tokenizer, source }: Subject, context: Context): Promise<void> {
  const request = dataRequest(flags);
  if (request.task === undefined)
    throw new InputError('nothing to do: give --task NAME with --out FOLDER, or --data FILE');
  if (typeof flags.out !== 'string')
    throw new InputError('--out is missing: name a folder for the prompt pairs');
  if (!tokenizer) throw new InputError(`${source.folder}: no tokenizer.json, which a task needs`);
  const task = generateTask(request.task, { ...request, tokenizer });
  const files = await writeTask(flags.out, task);
  context.result({ files, report: task.report }, [...reportLines(task.report), ...files].join('\n'));
}
