/** Masks as values: which directions a circuit keeps. */
import type { Masks } from '../masks/masks-file.js';

/** A direction that a circuit keeps. */
export interface KeptDirection {
  /** E.g. `L9H6.ov.3`. */
  name: string;
  component: string;
  /** k, from 0, by descending σ. */
  index: number;
  /** In (threshold, 1]. */
  mask: number;
}

/**
 * The directions whose mask is above the threshold, component by component in the masks' order.
 * @param threshold from 0 to below 1
 * @example
 * import { keptDirections, readMasks } from 'orthoscope';
 *
 * const masks = await readMasks('runs/ioi/masks.safetensors');
 * console.log(keptDirections(masks).map(({ name }) => name).join(' '));
 */
export function keptDirections({ values }: Pick<Masks, 'values'>, threshold = 0.5): KeptDirection[] {
  return [...values].flatMap(([component, masks]) =>
    Array.from(masks, (mask, index) => ({ name: `${component}.${index}`, component, index, mask })).filter(
      ({ mask }) => mask > threshold,
    ),
  );
}
