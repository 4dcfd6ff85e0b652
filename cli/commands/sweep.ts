/** `orthoscope sweep`: many runs from one plan, on this machine or over a queue; their table and their stability. */
import { join } from 'node:path';
import {
  estimateSweep,
  sweep as runSweep,
  sweepStability,
  sweepStatus,
  sweepTable,
} from '../../src/commands/sweep.js';
import { formatByteSize } from '../../src/formats/byte-size.js';
import { duration } from '../../src/report/figures.js';
import { componentTable, settingName, stabilityTable, summaryTable } from '../../src/sweep/table.js';
import type { Handler } from '../context.js';
import { headline, runLine, withView } from '../sweep-view.js';

export const sweep: Handler<'sweep'> = async (settings, context) => {
  if (context.dryRun) {
    const { runs, prediction } = await estimateSweep(settings, context);
    const lines = runs.map(
      ({ id, label, complete }) => `${id}  ${complete ? 'complete' : 'to do   '}  ${label}`,
    );
    const { seconds, memory, at_once, measured } = prediction;
    lines.push(
      '',
      `about ${duration(seconds)} on this machine, ${at_once} at once, ${formatByteSize(memory)} of memory ` +
        `(${measured ? 'time from runs of this sweep' : 'a guess: nothing was measured yet'})`,
    );
    context.result({ runs, prediction }, lines.join('\n'));
    return;
  }
  const { folder, outcome, summaries } = await withView(context, 'runs', (listener) =>
    runSweep(settings, listener),
  );
  const { total, complete, failures } = outcome;
  const failed = failures.length > 0 ? `, ${failures.length} failed: see ${join(folder, 'failed')}` : '';
  context.result(
    { folder, ...outcome, settings: summaries },
    `${summaryTable(summaries)}\n\n${complete} of ${total} runs complete${failed}\nresults  ${join(folder, 'sweep.json')}`,
  );
  if (failures.length > 0) context.code = 1;
};

export const resume: Handler<'sweep resume'> = ({ folder, ...settings }, context) =>
  sweep({ ...settings, plan: join(folder, 'plan.yaml'), out: folder }, context);

export const status: Handler<'sweep status'> = async (settings, context) => {
  const state = await sweepStatus(settings);
  const { progress, failures } = state;
  const lines = progress ? [headline(progress), ...progress.running.map(runLine)] : [];
  lines.push(`${state.complete} complete run folders`);
  lines.push(...state.damaged.map(({ error }) => `damaged: ${error}`));
  lines.push(...failures.map(({ id, error, attempts }) => `failed ${id} (${attempts}×): ${error}`));
  context.result(state, lines.join('\n'));
};

export const table: Handler<'sweep table'> = async (settings, context) => {
  const summaries = await sweepTable(settings, context);
  context.result({ schema_version: 1, settings: summaries }, summaryTable(summaries));
};

export const stability: Handler<'sweep stability'> = async (settings, context) => {
  const found = await sweepStability(settings, context);
  const parts = found.map((entry) => `${settingName(entry, found)}\n${componentTable(entry)}`);
  context.result(
    { schema_version: 1, settings: found },
    [stabilityTable(found), ...(found.length > 0 ? ['By component:', ...parts] : [])].join('\n\n'),
  );
};
