/** `orthoscope report`: writes a run's page anew. */
import type { CommandModule } from 'yargs';
import { writeReport } from '../../src/report/write-report.js';
import { inContext } from '../context.js';
import type { Flags } from '../options.js';

export const reportCommand: CommandModule<object, Flags> = {
  command: 'report <run>',
  describe: "Write a run's report.html anew",
  builder: (yargs) => yargs.positional('run', { type: 'string', describe: 'Run folder' }),
  handler: (flags) =>
    inContext(flags, async (context) => {
      const path = await writeReport(flags.run as string);
      context.result({ report: path }, path);
    }),
};
