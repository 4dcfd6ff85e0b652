/** `orthoscope run`: the main job, from a model folder and a task to a circuit with its evidence. */
import { join, relative } from 'node:path';
import type { CommandModule } from 'yargs';
import { packageFile } from '../../src/package-file.js';
import { resultTable } from '../../src/report/table.js';
import { run } from '../../src/run/commands.js';
import { estimateRun } from '../../src/run/estimate.js';
import { inContext } from '../context.js';
import { runEstimateText } from '../estimate-text.js';
import {
  commonSettings,
  dataFlags,
  dataRequest,
  dryRunFlag,
  evaluateFlags,
  evaluateSettingsOf,
  type Flags,
  maskingFlags,
  modelFlags,
  resumes,
  runFlags,
  splitFlags,
  trainFlags,
  trainSettingsOf,
} from '../options.js';

export const runCommand: CommandModule<object, Flags> = {
  command: 'run [model]',
  describe: 'Decompose, train masks, evaluate against controls, write a report',
  builder: (yargs) =>
    yargs
      .positional('model', { type: 'string', describe: 'Folder or hub id (the embedded model by default)' })
      .options({
        ...dataFlags,
        ...splitFlags,
        ...runFlags,
        ...dryRunFlag,
        ...maskingFlags,
        ...modelFlags,
        ...trainFlags,
        ...evaluateFlags,
      }),
  handler: (flags) =>
    inContext(flags, async (context) => {
      // Relative, so that the page and the manifest name no folder of this machine where that can be helped.
      const embedded = relative(process.cwd(), packageFile('models/embedded'));
      const model = (flags.model as string | undefined) ?? embedded;
      const data = dataRequest(flags);
      if (data.task === undefined && data.data === undefined && model === embedded) data.task = 'ioi';
      const settings = {
        common: commonSettings(flags, model),
        data,
        train: trainSettingsOf(flags),
        evaluate: evaluateSettingsOf(flags),
      };
      if (flags.dryRun === true) {
        const estimate = await estimateRun(settings, context);
        context.result(estimate, runEstimateText(estimate));
        return;
      }
      const out = (flags.out as string | undefined) ?? defaultOut(data.task ?? 'run');
      const {
        metrics,
        report,
        run: folder,
      } = await run({ ...settings, out, resume: resumes(flags, out, context.onNote) }, context);
      context.result({ run: folder.path, report, metrics }, `\n${resultTable(metrics)}\n\nreport  ${report}`);
    }),
};

/** A new folder for each run: `runs/ioi-2026-01-31T12-30-00`. */
function defaultOut(name: string): string {
  return join('runs', `${name}-${new Date().toISOString().slice(0, 19).replaceAll(':', '-')}`);
}
