/** `orthoscope evaluate`: measures masks on prompt pairs, soft and binarised, with controls. */
import { estimateEvaluate, evaluate as evaluateMasks } from '../../src/commands/evaluate.js';
import { resultTable } from '../../src/report/table.js';
import type { Handler } from '../context.js';
import { runEstimateText } from '../estimate-text.js';

export const evaluate: Handler<'evaluate'> = async (settings, context) => {
  if (context.dryRun) {
    const estimate = await estimateEvaluate(settings, context);
    context.result(estimate, runEstimateText(estimate));
    return;
  }
  const { metrics, report, run } = await evaluateMasks(settings, context);
  context.result({ run: run.path, report, metrics }, `${resultTable(metrics)}\n\nreport  ${report}`);
};
