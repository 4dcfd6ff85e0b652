/** How a model is masked: which directions, at which positions, and what replaces those that are masked out. */
import type { Architecture } from '../models/architecture.js';
import type { Positions, Replacement } from '../settings/choices.js';
import type { MaskLayout } from './layout.js';

export type { Positions, Replacement };

/** What decides which coefficients of a prompt are masked. */
export interface Masking {
  architecture: Architecture;
  layout: MaskLayout;
  positions: Positions;
}
