/** Settings of the search for aligned subspaces (docs/evidence.md, "Aligned subspaces"). */
import { listOf, number, text, whole } from './schemas.js';
import { table } from './table.js';
import { verdictSettings } from './verdict-settings.js';

export const alignSettings = table(
  { group: 'Alignment', determines: true },
  {
    in: {
      schema: listOf(text).nullable(),
      default: null,
      otherwise: 'the one of which the circuit keeps most directions',
      describe: 'Components to look in, e.g. L2H3.ov; all at once, while everything else runs whole',
    },
    size: {
      schema: whole(1).nullable(),
      default: null,
      otherwise: 'as many as the circuit keeps directions there',
      describe: 'Dimensions of each subspace',
    },
    alignSteps: { schema: whole(1), default: 120, describe: 'Steps that the subspaces turn' },
    alignRate: {
      schema: number({ above: 0 }),
      default: 0.1,
      describe: 'Radians that a subspace turns in the first step; in the last a hundredth of it',
    },
    alignBatch: { schema: whole(1), default: 32, describe: 'Training pairs in a step' },
    alignPairs: {
      schema: whole(1),
      default: 256,
      describe: 'Test pairs, evenly chosen, that subspaces are measured on',
    },
    alignDraws: { schema: whole(1, 1000), default: 5, describe: 'Random subspaces beside each' },
    seed: verdictSettings.seed,
  },
);
