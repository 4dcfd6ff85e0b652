/** `orthoscope train`: learns masks into a run folder. */
import type { CommandModule } from 'yargs';
import { InputError } from '../../src/errors.js';
import { trainOnly } from '../../src/run/commands.js';
import { estimateRun } from '../../src/run/estimate.js';
import { inContext } from '../context.js';
import { runEstimateText } from '../estimate-text.js';
import {
  commonSettings,
  dataFlags,
  dataRequest,
  dryRunFlag,
  type Flags,
  maskingFlags,
  modelFlags,
  resumes,
  runFlags,
  splitFlags,
  trainFlags,
  trainSettingsOf,
} from '../options.js';

export const trainCommand: CommandModule<object, Flags> = {
  command: 'train <model>',
  describe: 'Learn masks over all directions jointly',
  builder: (yargs) =>
    yargs.positional('model', { type: 'string', describe: 'Folder or hub id' }).options({
      ...dataFlags,
      ...splitFlags,
      ...runFlags,
      ...dryRunFlag,
      ...maskingFlags,
      ...modelFlags,
      ...trainFlags,
    }),
  handler: (flags) =>
    inContext(flags, async (context) => {
      const settings = {
        common: commonSettings(flags, flags.model as string),
        data: dataRequest(flags),
        train: trainSettingsOf(flags),
      };
      if (flags.dryRun === true) {
        const estimate = await estimateRun(settings, context);
        context.result(estimate, runEstimateText(estimate));
        return;
      }
      if (typeof flags.out !== 'string') throw new InputError('--out is missing: name the folder of the run');
      const { run, result } = await trainOnly(
        { ...settings, out: flags.out, resume: resumes(flags, flags.out, context.onNote) },
        context,
      );
      const active = result.masks.reduce((sum, mask) => sum + Number(mask > 0.5), 0);
      context.result(
        {
          run: run.path,
          masks: run.file('masks.safetensors'),
          steps: result.steps,
          active,
          directions: result.masks.length,
        },
        `${result.steps} steps; ${active} of ${result.masks.length} directions above 0.5\nmasks  ${run.file('masks.safetensors')}`,
      );
    }),
};
