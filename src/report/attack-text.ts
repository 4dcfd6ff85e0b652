/** What an attack found, in words and rows: the same in the terminal and on the page. */
import { type AttackMetrics, verdictOf } from '../evaluate/attack-figures.js';
import type { SplitMetrics } from '../evaluate/metrics-file.js';
import { count, decimal } from './figures.js';

/** In one sentence whether the circuit holds when what it left out comes back; null where nobody attacked it. */
export function attackText({ attack }: SplitMetrics): string | null {
  if (!attack) return null;
  const { kl, plain_kl } = attack;
  const verdict = verdictOf(attack) === 'holds' ? 'The circuit holds' : 'The circuit breaks';
  return `${verdict}: an adversary drives its KL from ${decimal(plain_kl)} to ${decimal(kl)}`;
}

/** What the circuit's figure is to be held against. */
export function controlText({ control }: AttackMetrics): string {
  return `A random set of its size: KL from ${decimal(control.plain_kl)} to ${decimal(control.kl)}`;
}

/** How the adversary went about it. */
export function attackedHow({ seen, n, starts, steps, step }: AttackMetrics): string {
  return `${count(steps)} steps of ${step}, ${count(starts)} ${starts === 1 ? 'start' : 'starts'}, on ${count(seen.pairs)} pairs of ${seen.split}; measured on ${count(n)}`;
}

/** Left-out directions with the largest parts in what the adversary did, as rows of a table. */
export function missedRows({ missed }: AttackMetrics, most: number) {
  return missed.slice(0, most).map(({ component, direction, share, part, returns }) => ({
    name: `${component}.${direction}`,
    share: decimal(share, 2),
    part: decimal(part),
    returns: decimal(returns),
  }));
}
