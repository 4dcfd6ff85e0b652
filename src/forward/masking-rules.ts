/** How a model is masked: which directions, at which positions, and what replaces those that are masked out. */
import type { Architecture } from '../models/architecture.js';
import type { MaskLayout } from './layout.js';

/** Positions on which OV and MLP masks act: the last one of each prompt, or every one. */
export type Positions = 'last' | 'all';

/**
 * What a masked-out OV or MLP coefficient becomes: that of the corrupted prompt (`interchange`), the mean over
 * the data set's clean prompts (`mean`), nothing (`zero`), or that of another clean prompt (`resample`).
 */
export type Replacement = 'interchange' | 'mean' | 'zero' | 'resample';
export const REPLACEMENTS: readonly Replacement[] = ['interchange', 'mean', 'zero', 'resample'];

/** What decides which coefficients of a prompt are masked. */
export interface Masking {
  architecture: Architecture;
  layout: MaskLayout;
  positions: Positions;
}
