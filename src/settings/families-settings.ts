/** Settings of the search for families of prompts (docs/evidence.md, "Families of prompts"). */
import { whole } from './schemas.js';
import { table } from './table.js';
import { verdictSettings } from './verdict-settings.js';

export const familiesSettings = table(
  { group: 'Families', determines: true },
  {
    families: {
      schema: whole(2, 100).nullable(),
      default: null,
      otherwise: 'as many as separate best, of 2 to 8',
      describe: 'How many families of prompts',
    },
    seed: verdictSettings.seed,
  },
);
