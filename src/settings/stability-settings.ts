/** Settings of what several circuits have in common, and what that does (docs/evidence.md, "Several runs"). */
import { listOf, number, place, whole } from './schemas.js';
import { table } from './table.js';

export const stabilitySettings = table(
  { group: 'Stability', determines: true },
  {
    runs: {
      schema: listOf(place),
      path: true,
      positional: true,
      describe: 'Folders of runs on one model, or of sweeps',
    },
    noise: {
      schema: number({ from: 0, below: 1 }),
      default: 0.25,
      describe: 'A direction that one run keeps, or no more than this share of them, is called noise',
    },
    setPairs: {
      schema: whole(2),
      default: 256,
      describe: 'Test pairs of each run, evenly chosen, that sets are measured on',
    },
    draws: { schema: whole(1, 100_000), default: 20, describe: "Random sets of the core's size" },
  },
);
