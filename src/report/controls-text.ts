/** On how many prompts controls were measured, in words: the same in the terminal and on the page. */
import type { SplitMetrics } from '../evaluate/metrics-file.js';
import { count } from './figures.js';

/** `controls were measured on 200 of the 1,000 prompts`; null where they were on all, or there are none. */
export function controlsText({ controls, n }: Pick<SplitMetrics, 'controls' | 'n'>): string | null {
  const some = controls?.random.n;
  if (some === undefined) return null;
  return `controls were measured on ${count(some)} of the ${count(n)} prompts`;
}
