/** `orthoscope decompose`: fills the store with a model's singular directions. */
import type { CommandModule } from 'yargs';
import { listComponents } from '../../src/models/components.js';
import { withSubject } from '../../src/run/subject.js';
import { decomposeSubject } from '../../src/run/workbench.js';
import { inContext } from '../context.js';
import { commonSettings, type Flags, modelFlags } from '../options.js';

export const decomposeCommand: CommandModule<object, Flags> = {
  command: 'decompose <model>',
  describe: 'Singular directions of every head and MLP matrix, into the store',
  builder: (yargs) =>
    yargs.positional('model', { type: 'string', describe: 'Folder or hub id' }).options(modelFlags),
  handler: (flags) =>
    inContext(flags, async (context) => {
      const settings = commonSettings(flags, flags.model as string);
      await withSubject(settings.model, { ...settings, ...context }, async (subject) => {
        const { key, computed } = await decomposeSubject(subject, { ...settings, ...context });
        const { architecture } = subject.model;
        const components = listComponents(architecture, settings.components ?? undefined);
        const directions = components.reduce((sum, { rank }) => sum + rank, 0);
        context.result(
          {
            key,
            layers: architecture.nLayers,
            computed_layers: computed,
            components: components.length,
            directions,
          },
          `${components.length} components, ${directions} directions; ` +
            `${computed} of ${architecture.nLayers} layers computed, the others were there\nkey  ${key}`,
        );
      });
    }),
};
