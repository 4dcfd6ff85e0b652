/** How large a circuit is: directions kept, in all and by kind. */
import type { MaskLayout } from '../forward/layout.js';
import type { Component, Kind } from '../models/components.js';
import type { CircuitSize } from './metrics-file.js';

/** @param masked the components that are counted: all of the layout's, unless some of them run whole */
export function circuitSize(
  layout: MaskLayout,
  masks: Float32Array,
  threshold: number,
  masked: readonly Component[] = layout.components,
): CircuitSize & { by_kind: Partial<Record<Kind, CircuitSize>> } {
  const ofKind = (kind: Kind) => masked.filter((component) => component.kind === kind);
  return {
    ...sizeOf(layout, masks, threshold, masked),
    by_kind: Object.fromEntries(
      layout.kinds.map((kind) => [kind, sizeOf(layout, masks, threshold, ofKind(kind))]),
    ),
  };
}

function sizeOf(
  layout: MaskLayout,
  masks: Float32Array,
  threshold: number,
  components: readonly Component[],
): CircuitSize {
  let l1 = 0;
  let directions = 0;
  let active = 0;
  let width = 0;
  for (const component of components) {
    const { start, length } = layout.of(component);
    directions += length;
    width += component.fullWidth;
    for (const mask of masks.subarray(start, start + length)) {
      l1 += mask;
      active += Number(mask > threshold);
    }
  }
  return {
    l1,
    directions,
    active,
    relative_sparsity: 1 - active / directions,
    full_sparsity: 1 - active / width,
  };
}

/** 1 for masks above the threshold, 0 for the others. */
export function binarised(masks: Float32Array, threshold: number): Float32Array {
  return masks.map((mask) => Number(mask > threshold));
}
