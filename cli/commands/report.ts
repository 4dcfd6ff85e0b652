/** `orthoscope report`: writes a run's page anew. */
import { report as writeReport } from '../../src/commands/report.js';
import type { Handler } from '../context.js';

export const report: Handler<'report'> = async (settings, context) => {
  const path = await writeReport(settings);
  context.result({ report: path }, path);
};
