/** `orthoscope report`: writes a run's page anew, or those of a sweep's runs. */
import { report as writeReport } from '../../src/commands/report.js';
import type { Handler } from '../context.js';

export const report: Handler<'report'> = async (settings, context) => {
  const pages = await writeReport(settings);
  context.result(pages.length === 1 ? { report: pages[0] } : { reports: pages }, pages.join('\n'));
};
