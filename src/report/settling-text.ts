/** Whether masks had settled when training ended, in words. */
import type { Settling } from '../evaluate/metrics-file.js';
import { count, percent } from './figures.js';

/** To be said before any figure; null where masks had settled, or nothing is known of their training. */
export function unsettledText(settling: Settling | null): string | null {
  if (!settling?.unsettled) return null;
  const { steps, sum, drift } = settling;
  const moved = (share: number | null, of: number, phase: string) =>
    `Σm ${share! < 0 ? 'fell' : 'rose'} ${percent(Math.abs(share!))} in the last fifth of ${count(of)} ${phase} steps`;
  const done = steps.soft + steps.rounding;
  const reasons: Record<NonNullable<Settling['unsettled']>, string> = {
    'too few steps': done === 1 ? '1 step was done' : `${count(done)} steps were done`,
    'soft masks moved': moved(drift.soft, steps.soft, 'soft'),
    'soft masks near their start': `Σm was ${count(sum.start)} at first and ${count(sum.end)} after ${count(steps.soft)} soft steps`,
    'kept directions moved': moved(drift.rounding, steps.rounding, 'rounding'),
  };
  return `masks had not settled: ${reasons[settling.unsettled]}`;
}

/** What the page says of any training. */
export function settlingText({ steps, drift, undecided, directions }: Settling): string {
  const changes = (['soft', 'rounding'] as const)
    .filter((phase) => drift[phase] !== null)
    .map((phase) => `${percent(drift[phase])} over that of ${count(steps[phase])} ${phase} steps`);
  return `Change of Σm from the last fifth but one to the last: ${changes.join(', ')}. ${count(undecided)} of ${count(directions)} soft masks lay between 0.05 and 0.95 at the end: their directions were scaled, not kept or left out.`;
}
