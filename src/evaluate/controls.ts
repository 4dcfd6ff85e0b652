/** Mask vectors that a circuit must beat: as large as it, but chosen otherwise. */
import type { MaskLayout } from '../forward/layout.js';
import type { Random } from '../random.js';

/** As many directions as `active`, drawn from all. */
export function randomMask(layout: MaskLayout, active: number, random: Random): Float32Array {
  return maskOf(layout.size, random.sample(range(0, layout.size), active));
}

/** As many directions of each kind as the circuit has: a stricter control than {@link randomMask}. */
export function randomMaskByKind(layout: MaskLayout, circuit: Float32Array, random: Random): Float32Array {
  const chosen: number[] = [];
  for (const kind of layout.kinds) {
    const members = layout.components
      .filter((component) => component.kind === kind)
      .flatMap((component) => {
        const { start, length } = layout.of(component);
        return range(start, length);
      });
    const active = members.filter((index) => circuit[index]! > 0).length;
    chosen.push(...random.sample(members, active));
  }
  return maskOf(layout.size, chosen);
}

/** The directions of largest σ over all components. */
export function topSigmaMask(layout: MaskLayout, active: number, sigma: Float32Array): Float32Array {
  const order = range(0, layout.size).sort((a, b) => sigma[b]! - sigma[a]! || a - b);
  return maskOf(layout.size, order.slice(0, active));
}

/** 1 − m. */
export function invertedMask(masks: Float32Array): Float32Array {
  return masks.map((mask) => 1 - mask);
}

export function constantMask(layout: MaskLayout, value: 0 | 1): Float32Array {
  return new Float32Array(layout.size).fill(value);
}

function range(start: number, length: number): number[] {
  return Array.from({ length }, (_, index) => start + index);
}

function maskOf(size: number, chosen: readonly number[]): Float32Array {
  const mask = new Float32Array(size);
  for (const index of chosen) mask[index] = 1;
  return mask;
}
