/** `orthoscope evaluate`: measures masks on prompt pairs, soft and binarised, with controls. */
import type { CommandModule } from 'yargs';
import { InputError } from '../../src/errors.js';
import { resultTable } from '../../src/report/table.js';
import { evaluateOnly } from '../../src/run/commands.js';
import { inContext } from '../context.js';
import {
  commonSettings,
  dataFlags,
  dataRequest,
  evaluateFlags,
  evaluateSettingsOf,
  type Flags,
  maskingFlags,
  modelFlags,
  splitFlags,
} from '../options.js';

const { components: _components, ...subjectFlags } = modelFlags;
const { 'test-pairs': testPairs } = splitFlags;

export const evaluateCommand: CommandModule<object, Flags> = {
  command: 'evaluate <model>',
  describe: 'Measure masks on prompt pairs, with intervals and controls',
  builder: (yargs) =>
    yargs
      .positional('model', { type: 'string', describe: 'Folder or hub id' })
      .options({
        masks: { type: 'string', describe: 'masks.safetensors' },
        out: { type: 'string', describe: 'Folder for metrics.json' },
      })
      .options({ ...dataFlags, 'test-pairs': testPairs, ...maskingFlags, ...subjectFlags, ...evaluateFlags }),
  handler: (flags) =>
    inContext(flags, async (context) => {
      if (typeof flags.masks !== 'string')
        throw new InputError('--masks is missing: name a masks.safetensors');
      const metrics = await evaluateOnly(
        {
          common: commonSettings(flags, flags.model as string),
          data: dataRequest(flags),
          evaluate: evaluateSettingsOf(flags),
          masks: flags.masks,
          out: (flags.out as string | undefined) ?? null,
        },
        context,
      );
      context.result(metrics, resultTable(metrics));
    }),
};
