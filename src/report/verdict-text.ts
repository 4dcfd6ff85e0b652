/** The sheet of what may be claimed, as rows: the same in the terminal and on the page. */
import type { Line, Outcome, Verdict } from '../evidence/verdict-file.js';
import { count, decimal, NONE } from './figures.js';

/** What an outcome is called. */
export const OUTCOME_TEXT: Record<Outcome, string> = {
  for: 'for it',
  against: 'against it',
  open: 'undecided',
  missing: 'not measured',
};

export interface VerdictRow {
  title: string;
  outcome: string;
  /** `96 of 100`, or a figure. */
  statistic: string;
  p: string;
  /** The corrected p-value; empty where there is none. */
  corrected: string;
}

export function verdictRow({ title, outcome, statistic, n, p, correction }: Line): VerdictRow {
  return {
    title,
    outcome: OUTCOME_TEXT[outcome],
    statistic: statistic === null ? NONE : statisticText(statistic.value, n),
    p: p === null ? NONE : decimal(p),
    corrected: correction === null ? '' : decimal(correction.p),
  };
}

/** A count stands with what it is of. */
function statisticText(value: number, n: Line['n']): string {
  return n !== null && Number.isInteger(value) && value <= n.value
    ? `${count(value)} of ${count(n.value)}`
    : decimal(value);
}

/** What all lines were measured on. */
export function verdictHead({ measured, circuit }: Verdict): string {
  const { source, prompts, prompts_of_sets, draws, seed } = measured;
  const sets = prompts_of_sets === prompts ? '' : ` (${count(prompts_of_sets)} of them for sets)`;
  return `${source}; ${count(prompts)} prompts${sets}; ${count(circuit.kept)} of ${count(circuit.directions)} directions, KL ${decimal(circuit.kl)}; ${count(draws)} random sets of each sort, seed ${seed}`;
}
