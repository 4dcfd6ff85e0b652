/** `orthoscope evaluate`: measures masks on prompt pairs, soft and binarised, with controls. */
import { evaluate as evaluateMasks } from '../../src/commands/evaluate.js';
import { resultTable } from '../../src/report/table.js';
import type { Handler } from '../context.js';

export const evaluate: Handler<'evaluate'> = async (settings, context) => {
  const { metrics, report, run } = await evaluateMasks(settings, context);
  context.result({ run: run.path, report, metrics }, `${resultTable(metrics)}\n\nreport  ${report}`);
};
