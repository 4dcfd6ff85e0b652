/** How well cuts agree with what was foreseen: which edges are cut, and the rank correlation over them. */
import { Random } from '../random.js';
import { type BootstrapSettings, bootstrap, type Interval } from '../statistics/bootstrap.js';
import { spearman } from '../statistics/ranks.js';
import type { Edge } from './edges.js';

export type Sample = 'strongest' | 'random';

/** Half of them the strongest; the others drawn from all that are left, weak and strong alike. */
export function chosenCuts(
  edges: readonly Edge[],
  count: number,
  seed: number,
): { edge: Edge; sample: Sample }[] {
  // A bias is no writer, and what all others write together is not one vector.
  const able = edges.filter(
    ({ writer, predicted }) => !['bias', 'others'].includes(writer) && predicted.mean !== 0,
  );
  const ordered = [...able].sort((a, b) => Math.abs(b.predicted.mean) - Math.abs(a.predicted.mean));
  const half = Math.min(ordered.length, Math.ceil(count / 2));
  const random = new Random(seed).fork('edges that are cut');
  const left = ordered.slice(half);
  const drawn: Edge[] = [];
  while (drawn.length < count - half && left.length > 0) {
    const at = random.integer(left.length);
    drawn.push(left[at]!);
    left[at] = left.at(-1)!;
    left.pop();
  }
  return [
    ...ordered.slice(0, half).map((edge) => ({ edge, sample: 'strongest' as const })),
    ...drawn.map((edge) => ({ edge, sample: 'random' as const })),
  ];
}

/** Of edges that were foreseen and cut. */
export interface Agreement {
  edges: number;
  /** Spearman's rank correlation; null where one of the two does not vary. */
  correlation: number | null;
  /** By bootstrap over edges. */
  interval: Interval | null;
  /** Share of edges whose cut goes the way that was foreseen. */
  same_sign: number;
}

export function agreementOf(
  predicted: readonly number[],
  measured: readonly number[],
  settings: BootstrapSettings,
): Agreement {
  const of = (indices: ArrayLike<number>) =>
    spearman(
      Array.from(indices, (at) => predicted[at]!),
      Array.from(indices, (at) => measured[at]!),
    );
  const all = predicted.map((_, at) => at);
  const correlation = of(all);
  return {
    edges: all.length,
    correlation,
    interval: correlation === null ? null : bootstrap(all.length, (at) => of(at) ?? 0, settings).percentile,
    same_sign: all.filter((at) => Math.sign(predicted[at]!) === Math.sign(measured[at]!)).length / all.length,
  };
}
