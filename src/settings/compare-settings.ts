/** Settings of the comparison of methods (docs/evidence.md, "Against other methods"). */

import { RANKING_METHODS } from './choices.js';
import { listOf, oneOf, whole } from './schemas.js';
import { table } from './table.js';

export const compareSettings = table(
  { group: 'Comparison', determines: true },
  {
    methods: {
      schema: listOf(oneOf(RANKING_METHODS)).nullable(),
      default: null,
      otherwise:
        'all but learned_robust, learned_neurons and patching; greedy up to 1,000 directions, sparse_attention for QK alone',
      describe: 'Methods that rank directions',
    },
    rankPairs: {
      schema: whole(1),
      default: 256,
      describe: 'Training pairs, evenly chosen, that all methods but learning rank on',
    },
    greedyPairs: {
      schema: whole(1),
      default: 32,
      describe: 'Of those, pairs that greedy pruning measures on',
    },
    cutPairs: {
      schema: whole(2),
      default: 256,
      describe: 'Test pairs, evenly chosen, that cuts are measured on',
    },
    points: {
      schema: whole(1, 1000),
      default: 8,
      describe: 'Points of the way that integrated gradients and conductance take',
    },
    randomDraws: { schema: whole(1, 1000), default: 5, describe: 'Draws of the random ranking' },
  },
);
