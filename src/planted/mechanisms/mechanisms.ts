/** The mechanisms that can be planted, by name. */
import type { Random } from '../../random.js';
import type { Blueprint } from '../blueprint.js';
import { addition } from './addition.js';
import { comparison } from './comparison.js';
import { copy } from './copy.js';
import { induction } from './induction.js';
import { inhibition } from './inhibition.js';
import type { MechanismOptions } from './options.js';

export const MECHANISMS = { copy, induction, inhibition, comparison, addition } satisfies Record<
  string,
  (random: Random, options: MechanismOptions) => Blueprint
>;

export type Mechanism = keyof typeof MECHANISMS;
