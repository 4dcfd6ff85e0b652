/** Complete sentences on what a study's numbers say of a circuit, and what they do not. */
import type { Method } from '../../src/evidence/compare-file.js';
import { methodName, ownCut } from '../../src/evidence/methods.js';
import type { Outcome } from '../../src/evidence/verdict-file.js';
import { count, decimal } from '../../src/report/figures.js';
import type { BasisRow, TaskFigures } from './digest.js';

export interface Finding {
  title: string;
  outcome: Outcome;
  claim: string;
  /** What not to read into it; empty where the claim says all. */
  limit: string;
}

export function findingsOf({ verdict, comparison, bases }: TaskFigures): Finding[] {
  return [...verdict.lines, ...besideMethods(comparison), ...besideBases(bases)];
}

/** The learned ranking beside the best of those without training. */
function besideMethods({ methods, own_size }: TaskFigures['comparison']): Finding[] {
  const learned = methods.find(({ id }) => id === 'learned')!;
  const others = methods.filter(({ id }) => !id.startsWith('learned'));
  const nearest = lowest(others, (method) => ownCut(method).kl)!;
  const at = (method: Method) => ({ value: ownCut(method).kl, confidence: ownCut(method).confidence.kl });
  const found = [
    nearer(
      `nearest to the model at ${count(own_size)} directions`,
      ({ name, own, other }) =>
        `With as many directions as the learned circuit has, learned masks have KL ${own}, the best other ranking (${name}) ${other}.`,
      { name: methodName(nearest), own: at(learned), other: at(nearest) },
    ),
  ];
  const best = lowest(others, (method) => method.cmd?.value);
  if (learned.cmd && best?.cmd)
    found.push(
      nearer(
        'nearest to the model over all sizes',
        ({ name, own, other }) =>
          `Over the ten sizes the learned ranking has CMD ${own}, the best other one (${name}) ${other}.`,
        { name: methodName(best), own: learned.cmd, other: best.cmd },
      ),
    );
  return found;
}

type Spread = NonNullable<Method['cmd']>;

/** Less is nearer; intervals that overlap leave it undecided. */
function nearer(
  title: string,
  claim: (texts: Record<'name' | 'own' | 'other', string>) => string,
  { name, own, other }: { name: string; own: Spread; other: Spread },
): Finding {
  const ends = [own.confidence, other.confidence];
  const overlap = ends.every((interval) => interval !== null) && intersect(ends[0]!, ends[1]!);
  return {
    title,
    outcome: overlap ? 'open' : own.value <= other.value ? 'for' : 'against',
    claim: claim({
      name,
      own: withSpread(own.value, own.confidence),
      other: withSpread(other.value, other.confidence),
    }),
    limit: overlap ? 'The intervals overlap.' : '',
  };
}

function intersect(a: readonly [number, number], b: readonly [number, number]): boolean {
  return a[0] <= b[1] && b[0] <= a[1];
}

/** What the bases are called in a sentence. */
export const BASIS_TEXT: Record<string, string> = {
  svd: 'singular directions',
  random: 'random directions',
  principal: 'principal components',
  coordinates: 'neurons and dimensions of heads',
};

function besideBases(bases: readonly BasisRow[]): Finding[] {
  const rows = bases.filter(({ preset }) => preset === 'default');
  const singular = rows.find(({ basis }) => basis === 'svd');
  const smallest = lowest(rows, ({ kept }) => kept);
  if (!singular || !smallest) return [];
  const others = rows
    .filter((row) => row !== singular)
    .map(({ basis, kept, kl }) => `${count(kept)} ${BASIS_TEXT[basis]} (KL ${decimal(kl)})`);
  return [
    {
      title: 'smallest over singular directions',
      outcome: smallest.kept === singular.kept ? 'for' : 'against',
      claim: `Trained alike, circuits keep ${count(singular.kept)} singular directions (KL ${decimal(singular.kl)}), ${others.slice(0, -1).join(', ')} and ${others.at(-1)}.`,
      limit: 'Their KL are not the same: what each basis needs for one KL stands under “Other bases”.',
    },
  ];
}

export function lowest<Item>(
  items: readonly Item[],
  of: (item: Item) => number | null | undefined,
): Item | null {
  const known = items.filter((item) => of(item) != null);
  return known.reduce<Item | null>(
    (one, other) => (one === null || of(other)! < of(one)! ? other : one),
    null,
  );
}

/** `0.044 [0.042, 0.052]`. */
export function withSpread(value: number | null, interval: readonly [number, number] | null): string {
  return interval === null || value === null
    ? decimal(value)
    : `${decimal(value)} [${interval.map((end) => decimal(end)).join(', ')}]`;
}
