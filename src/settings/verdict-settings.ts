/** Settings of the sheet that says what may be claimed of a circuit (docs/evidence.md). */
import { flag, number, text, whole } from './schemas.js';
import { table } from './table.js';

const path = text.nullable();

export const verdictSettings = table(
  { group: 'Verdict', determines: true },
  {
    other: {
      schema: path,
      default: null,
      path: true,
      describe: 'Run of another task on the same model: how its circuit does on these prompts',
    },
    sweep: {
      schema: path,
      default: null,
      path: true,
      describe: 'Folder of a sweep: how much of the circuit its runs find again',
    },
    groups: {
      schema: path,
      default: null,
      path: true,
      describe: 'JSON file with named groups of heads: are they kept more than others of their layers',
    },
    outside: {
      schema: whole(0, 10_000),
      default: 8,
      describe: 'With --groups: heads outside each group that are ablated, alone and on top of it',
    },
    shuffled: {
      schema: flag,
      default: true,
      describe: 'Train masks on the model with its weights shuffled, too: as long as the run itself trained',
    },
    rival: {
      schema: flag,
      default: true,
      describe: "Train masks without the circuit's directions, too: is there another one of its size",
    },
    draws: { schema: whole(1, 100_000), default: 100, describe: 'Random sets of each sort' },
    setPairs: {
      schema: whole(2),
      default: 64,
      describe: 'Test pairs, evenly chosen, that sets are measured on',
    },
    members: {
      schema: whole(1),
      default: 24,
      describe: 'Members of which it is tested whether they are missed, sampled by component',
    },
    knockouts: {
      schema: whole(0, 10_000),
      default: 16,
      describe: 'Random halves that are knocked out, and as many heads and MLPs at most',
    },
    permutations: {
      schema: whole(1, 1e6),
      default: 1000,
      describe: 'Permutations of the tests of independence and of groups of heads',
    },
    alpha: { schema: number({ above: 0, below: 1 }), default: 0.05, describe: 'Level of every test' },
    seed: {
      schema: whole(-(2 ** 31), 2 ** 31 - 1).nullable(),
      default: null,
      otherwise: "the run's",
      describe: 'Seed of every random choice here',
    },
  },
);
