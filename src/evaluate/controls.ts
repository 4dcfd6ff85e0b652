/** Mask vectors that a circuit must beat, most of them as large as it, but chosen otherwise. */
import type { MaskLayout } from '../forward/layout.js';
import type { Random } from '../random.js';

/** What controls are made from. */
interface Circuit {
  layout: MaskLayout;
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
    make: ({ layout, binarised }, random) =>
      maskOf(layout.size, random.sample(range(0, layout.size), count(binarised))),
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
    make: ({ layout, sigma, binarised }) => {
      const order = range(0, layout.size).sort((a, b) => sigma[b]! - sigma[a]! || a - b);
      return maskOf(layout.size, order.slice(0, count(binarised)));
    },
  },
  {
    key: 'inverted',
    title: 'complement',
    meaning: 'what the masks leave out: one minus each mask as learned',
    make: ({ masks }) => masks.map((mask) => 1 - mask),
  },
  {
    key: 'all_on',
    title: 'all kept',
    meaning: 'every direction kept: the full model, by way of its directions',
    make: ({ layout }) => new Float32Array(layout.size).fill(1),
  },
  {
    key: 'all_off',
    title: 'none kept',
    meaning: 'every direction replaced: what is left without any of them',
    make: ({ layout }) => new Float32Array(layout.size),
  },
] as const satisfies readonly Control[];

export type ControlName = (typeof CONTROLS)[number]['key'];

function randomByKind({ layout, binarised }: Circuit, random: Random): Float32Array {
  const chosen: number[] = [];
  for (const kind of layout.kinds) {
    const members = layout.components
      .filter((component) => component.kind === kind)
      .flatMap((component) => {
        const { start, length } = layout.of(component);
        return range(start, length);
      });
    const active = members.filter((index) => binarised[index]! > 0).length;
    chosen.push(...random.sample(members, active));
  }
  return maskOf(layout.size, chosen);
}

function range(start: number, length: number): number[] {
  return Array.from({ length }, (_, index) => start + index);
}

function count(binarised: Float32Array): number {
  return binarised.reduce((sum, mask) => sum + mask, 0);
}

function maskOf(size: number, chosen: readonly number[]): Float32Array {
  const mask = new Float32Array(size);
  for (const index of chosen) mask[index] = 1;
  return mask;
}
