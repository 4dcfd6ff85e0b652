/** Settings of the adversary that tests a circuit (docs/maths.md, "Adversarial shares"). */
import { flag, number, whole } from './schemas.js';
import { defaultsOf, table, type Values } from './table.js';

export const attackSettings = table(
  { group: 'Attack', determines: true },
  {
    attack: {
      schema: whole(0, 10_000),
      default: 10,
      describe:
        'Steps that an adversary has, from each start, to break the circuit by what it leaves out (0: none)',
    },
    attackStarts: {
      schema: whole(1, 1000),
      default: 2,
      describe: 'Where it starts: the circuit itself, random shares, the full model, then random ones again',
    },
    attackStep: {
      schema: number({ above: 0, to: 1 }),
      default: 0.1,
      describe: 'How far a share of what is left out moves in a step',
    },
    attackPairs: {
      schema: whole(1),
      default: 32,
      describe: 'Training pairs that it sees; what it finds is measured on the test pairs',
    },
    attackBudgets: {
      schema: flag,
      default: false,
      describe: 'Attack with few or small shares and each prompt by itself, too: several times as long',
    },
  },
);

export type AttackSettings = Values<typeof attackSettings>;
export const ATTACK_DEFAULTS: Readonly<AttackSettings> = defaultsOf(attackSettings);
