/** The rows of the result table, as text: what the terminal and the page both show. */
import type { ControlMetrics, MaskMetrics, SplitMetrics } from '../evaluate/evaluate.js';
import { count, decimal, NONE, percent, percentage } from './figures.js';

export const COLUMNS = {
  kept: 'kept',
  kl: 'KL (nats)',
  exact_match: 'exact match',
  accuracy: 'accuracy',
  prob_diff: 'prob diff',
  relative_sparsity: 'sparsity',
  full_sparsity: 'full sparsity',
} as const;
export type Column = keyof typeof COLUMNS;

export interface Cell {
  value: string;
  /** `[low, high]`, a bootstrap interval over prompts, or `± sd` over seeds; empty where there is neither. */
  spread: string;
}

export interface ResultRow {
  name: string;
  /** What the row is, for a reader who sees it for the first time. */
  meaning: string;
  /** Whether it is the circuit itself, to be set apart from what it is compared with. */
  isCircuit: boolean;
  cells: Record<Column, Cell>;
}

const CONTROLS: Record<keyof NonNullable<SplitMetrics['controls']>, [name: string, meaning: string]> = {
  random: ['random', 'as many directions as the circuit, drawn from all'],
  random_by_kind: [
    'random by kind',
    'as many directions of each kind of matrix as the circuit, drawn at random',
  ],
  top_sigma: ['top σ', 'as many directions as the circuit, those of largest singular value'],
  inverted: ['inverted', 'what the masks leave out: one minus each mask'],
  all_on: ['all on', 'every direction kept: the full model, by way of its directions'],
  all_off: ['all off', 'every direction replaced: what is left without any of them'],
};

/**
 * Full model, soft masks, circuit (the masks binarised), and the controls where there are any. Masks that are all 0 or 1
 * are the circuit already; the soft masks are then those that the rounding phase began with, if there was one.
 */
export function resultRows(split: SplitMetrics, threshold: number): ResultRow[] {
  const { binarised, before_rounding, controls } = split;
  const rows = [fullModelRow(split)];
  if (!isBinary(split))
    rows.push({
      name: 'soft masks',
      meaning: 'the masks as learned, between 0 and 1',
      isCircuit: false,
      cells: maskCells(split),
    });
  if (before_rounding)
    rows.push(
      {
        name: 'soft phase',
        meaning: 'the soft masks before the final phase, which rounds them while it trains on',
        isCircuit: false,
        cells: maskCells(before_rounding),
      },
      {
        name: 'soft, rounded',
        meaning: 'the same masks merely rounded: what the final phase had to mend',
        isCircuit: false,
        cells: maskCells(before_rounding.binarised),
      },
    );
  rows.push({
    name: 'circuit',
    meaning: `the directions whose mask is above ${threshold}, kept whole; all others replaced`,
    isCircuit: true,
    cells: maskCells(binarised),
  });
  if (controls)
    for (const [key, [name, meaning]] of Object.entries(CONTROLS))
      rows.push({
        name,
        meaning,
        isCircuit: false,
        cells: controlCells(controls[key as keyof typeof controls], split),
      });
  return rows;
}

/** Whether the learned masks are all 0 or 1: only then is their sum the number of those kept. */
export function isBinary({ l1, active }: MaskMetrics): boolean {
  return l1 === active;
}

function fullModelRow({ directions, full_accuracy, full_prob_diff, confidence }: SplitMetrics): ResultRow {
  const none = { value: NONE, spread: '' };
  return {
    name: 'full model',
    meaning: 'the model untouched, which KL and exact match compare with',
    isCircuit: false,
    cells: {
      kept: { value: count(directions), spread: '' },
      kl: none,
      exact_match: none,
      accuracy: share(full_accuracy, confidence.full_accuracy),
      prob_diff: measure(full_prob_diff, confidence.full_prob_diff),
      relative_sparsity: none,
      full_sparsity: none,
    },
  };
}

function maskCells(metrics: MaskMetrics): ResultRow['cells'] {
  const { active, kl, exact_match, accuracy, prob_diff, confidence } = metrics;
  return {
    kept: { value: count(active), spread: '' },
    kl: measure(kl, confidence.kl),
    exact_match: share(exact_match, confidence.exact_match),
    accuracy: share(accuracy, confidence.accuracy),
    prob_diff: measure(prob_diff, confidence.prob_diff),
    relative_sparsity: { value: percent(metrics.relative_sparsity), spread: '' },
    full_sparsity: { value: percent(metrics.full_sparsity), spread: '' },
  };
}

function controlCells(control: ControlMetrics, split: SplitMetrics): ResultRow['cells'] {
  const { active, kl, exact_match, accuracy, prob_diff, sd } = control;
  // The learned masks' own sparsity tells how wide the model is when heads are counted at full width.
  const width = split.active > 0 ? split.active / (1 - split.full_sparsity) : null;
  return {
    kept: { value: count(active), spread: '' },
    kl: measure(kl, sd?.kl),
    exact_match: share(exact_match, sd?.exact_match),
    accuracy: share(accuracy, sd?.accuracy),
    prob_diff: measure(prob_diff, sd?.prob_diff),
    relative_sparsity: { value: percent(1 - active / split.directions), spread: '' },
    full_sparsity: { value: percent(width && 1 - active / width), spread: '' },
  };
}

type Spread = [low: number, high: number] | number | null | undefined;

function measure(value: number | null, spread: Spread): Cell {
  return { value: decimal(value), spread: spreadText(spread, decimal) };
}

function share(value: number | null, spread: Spread): Cell {
  return { value: percent(value), spread: spreadText(spread, percentage) };
}

function spreadText(spread: Spread, text: (value: number) => string): string {
  if (spread === null || spread === undefined) return '';
  return typeof spread === 'number' ? `± ${text(spread)}` : `[${text(spread[0])}, ${text(spread[1])}]`;
}
