/** Mask vectors that a circuit must beat, most of them as large as it, but chosen otherwise. */
import type { MaskLayout } from '../forward/layout.js';
import type { Component, Kind } from '../models/components.js';
import type { Random } from '../random.js';

/** What controls are made from. */
export interface Circuit {
  layout: MaskLayout;
  /** Components that have masks; the layout's other ones run whole whatever the control. */
  masked: readonly Component[];
  /** Singular value of each direction, in the layout's order. */
  sigma: Float32Array;
  /** The masks as learned. */
  masks: Float32Array;
  /** 1 for directions of the circuit, else 0. */
  binarised: Float32Array;
}

interface Control {
  /** Its name in files. */
  key: string;
  /** Its name in tables. */
  title: string;
  /** For a reader who sees it for the first time. */
  meaning: string;
  /** Drawn several times, each with its own seed. */
  drawn?: true;
  make(circuit: Circuit, random: Random): Float32Array;
}

export const CONTROLS = [
  {
    key: 'random',
    title: 'random',
    meaning: 'as many directions as the circuit, drawn from all',
    drawn: true,
    make: (circuit, random) => {
      const all = directionsOf(circuit);
      return keeping(circuit, random.sample(all, keptOf(circuit, all).length));
    },
  },
  {
    key: 'random_by_kind',
    title: 'random by kind',
    meaning: 'as many directions of each kind of matrix as the circuit, drawn at random: a stricter control',
    drawn: true,
    make: randomByKind,
  },
  {
    key: 'top_sigma',
    title: 'top σ',
    meaning: 'as many directions as the circuit, those of largest singular value over all components',
    make: (circuit) => {
      const { sigma } = circuit;
      const order = directionsOf(circuit).sort((a, b) => sigma[b]! - sigma[a]! || a - b);
      return keeping(circuit, order.slice(0, keptOf(circuit, order).length));
    },
  },
  {
    key: 'inverted',
    title: 'complement',
    meaning: 'what the masks leave out: one minus each mask as learned',
    make: (circuit) => {
      const mask = keeping(circuit, []);
      for (const index of directionsOf(circuit)) mask[index] = 1 - circuit.masks[index]!;
      return mask;
    },
  },
  {
    key: 'all_on',
    title: 'all kept',
    meaning: 'every direction kept: the full model, by way of its directions',
    make: (circuit) => keeping(circuit, directionsOf(circuit)),
  },
  {
    key: 'all_off',
    title: 'none kept',
    meaning: 'every direction replaced: what is left without any of them',
    make: noneKept,
  },
] as const satisfies readonly Control[];

export type ControlName = (typeof CONTROLS)[number]['key'];

/** Every masked direction replaced. */
export function noneKept(circuit: Pick<Circuit, 'layout' | 'masked'>): Float32Array {
  return keeping(circuit, []);
}

function randomByKind(circuit: Circuit, random: Random): Float32Array {
  const chosen: number[] = [];
  for (const kind of circuit.layout.kinds) {
    const members = directionsOf(circuit, kind);
    chosen.push(...random.sample(members, keptOf(circuit, members).length));
  }
  return keeping(circuit, chosen);
}

/** Places of the masked directions, of one kind or of all, ascending. */
export function directionsOf({ layout, masked }: Pick<Circuit, 'layout' | 'masked'>, kind?: Kind): number[] {
  return masked
    .filter((component) => kind === undefined || component.kind === kind)
    .flatMap((component) => {
      const { start, length } = layout.of(component);
      return Array.from({ length }, (_, i) => start + i);
    });
}

/** Those of some directions that the circuit keeps. */
export function keptOf({ binarised }: Pick<Circuit, 'binarised'>, directions: readonly number[]): number[] {
  return directions.filter((index) => binarised[index]! > 0);
}

/** The mask vector that keeps these of the masked directions. */
export function keeping(circuit: Pick<Circuit, 'layout' | 'masked'>, kept: readonly number[]): Float32Array {
  const mask = new Float32Array(circuit.layout.size).fill(1);
  for (const index of directionsOf(circuit)) mask[index] = 0;
  for (const index of kept) mask[index] = 1;
  return mask;
}
