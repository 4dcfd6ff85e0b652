/** `orthoscope run`: the main job, from a model folder and a task to a circuit with its evidence. */
import { estimateRun, run as runAll } from '../../src/commands/run.js';
import { resultTable } from '../../src/report/table.js';
import type { Handler } from '../context.js';
import { runEstimateText } from '../estimate-text.js';

export const run: Handler<'run'> = async (settings, context) => {
  if (context.dryRun) {
    const estimate = await estimateRun(settings, context);
    context.result(estimate, runEstimateText(estimate));
    return;
  }
  const { metrics, report, run: folder } = await runAll(settings, context);
  context.result({ run: folder.path, report, metrics }, `\n${resultTable(metrics)}\n\nreport  ${report}`);
};
