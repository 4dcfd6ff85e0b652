/** The rows of the result table, as text: what the terminal and the page both show. */
import type { AttackMetrics } from '../evaluate/attack-figures.js';
import { CONTROLS } from '../evaluate/controls.js';
import { COLUMNS, type Column, type ColumnMetric } from '../evaluate/metrics.js';
import type { ControlMetrics, MaskMetrics, SplitMetrics } from '../evaluate/metrics-file.js';
import { count, decimal, NONE, percent, percentage } from './figures.js';

export interface FigureText {
  value: string;
  /** `[low, high]`, a bootstrap interval over prompts, or `± sd` over draws; empty where there is neither. */
  spread: string;
}

/** What one set of masks does. */
export interface MasksRow {
  name: string;
  /** What the row is, for a reader who sees it for the first time. */
  meaning: string;
  /** Whether it is the circuit itself, to be set apart from what it is compared with. */
  isCircuit: boolean;
  figures: Record<Column, FigureText>;
}

/**
 * Full model, soft masks, circuit (the masks binarised), and the controls where there are any. Masks that are all 0 or 1
 * are the circuit already; the soft masks are then those that the rounding phase began with, if there was one.
 */
export function masksRows(split: SplitMetrics, threshold: number): MasksRow[] {
  const row = (name: string, meaning: string, figures: MasksRow['figures'], isCircuit = false): MasksRow => ({
    name,
    meaning,
    isCircuit,
    figures,
  });
  const { binarised, before_rounding: before, controls } = split;
  const rows = [
    row('full model', 'the model untouched, which KL and exact match compare with', ofFullModel(split)),
  ];
  if (!isBinary(split)) rows.push(row('soft masks', 'the masks as learned, between 0 and 1', ofMasks(split)));
  if (before)
    rows.push(
      row(
        'soft masks',
        'the masks before the final phase of training, between 0 and 1: each scales its direction',
        ofMasks(before),
      ),
      row(
        'soft, cut',
        `the same masks, those above ${threshold} set to 1 and the others to 0: what the final phase had to mend`,
        ofMasks(before.binarised),
      ),
    );
  rows.push(
    row(
      'circuit',
      `the directions whose mask is above ${threshold}, kept whole; all others replaced`,
      ofMasks(binarised),
      true,
    ),
  );
  const { attack } = split;
  if (attack)
    rows.push(
      row(
        'attacked',
        'the circuit with the worst shares of what it leaves out that an adversary found put back, one share a direction for all prompts',
        ofAttack(attack, binarised),
      ),
    );
  if (controls)
    for (const { key, title, meaning } of CONTROLS) rows.push(row(title, meaning, ofControl(controls[key])));
  return rows;
}

/** Whether the learned masks are all 0 or 1: only then is their sum the number of those kept. */
export function isBinary({ l1, active }: MaskMetrics): boolean {
  return l1 === active;
}

function ofFullModel(split: SplitMetrics): MasksRow['figures'] {
  return eachColumn(({ key, of }) => {
    if (key === 'active') return [split.directions];
    return of === 'prompt and full model' ? [split[`full_${key}`], split.confidence[`full_${key}`]] : [null];
  });
}

function ofMasks(metrics: MaskMetrics): MasksRow['figures'] {
  return eachColumn(({ key }) =>
    key === 'active' ? [metrics.active] : [metrics[key], metrics.confidence[key]],
  );
}

function ofAttack(attack: AttackMetrics, { active }: MaskMetrics): MasksRow['figures'] {
  return eachColumn(({ key }) => {
    if (key === 'active') return [active];
    return [key === 'faithfulness' ? null : attack[key]];
  });
}

function ofControl(control: ControlMetrics): MasksRow['figures'] {
  return eachColumn(({ key }) => (key === 'active' ? [control.active] : [control[key], control.sd?.[key]]));
}

type Spread = [low: number, high: number] | number | null | undefined;

function eachColumn(
  figure: (metric: ColumnMetric) => [value: number | null, spread?: Spread],
): MasksRow['figures'] {
  const texts = COLUMNS.map((metric): [Column, FigureText] => {
    const [value, spread] = figure(metric);
    return [metric.key, figureText(metric, value, spread)];
  });
  return Object.fromEntries(texts) as MasksRow['figures'];
}

const FORMATS: Record<ColumnMetric['format'], (value: number) => string> = {
  count,
  decimal: (value) => decimal(value),
  share: percent,
};

/** A figure of this metric as it is written. */
export function figureText(metric: ColumnMetric, value: number | null, spread?: Spread): FigureText {
  return {
    value: value === null ? NONE : FORMATS[metric.format](value),
    spread: spreadText(metric, spread),
  };
}

/** `± sd`, `[low, high]`, or nothing. */
export function spreadText({ format }: ColumnMetric, spread: Spread): string {
  if (spread === null || spread === undefined) return '';
  const text = format === 'share' ? percentage : FORMATS[format];
  return typeof spread === 'number' ? `± ${text(spread)}` : `[${text(spread[0])}, ${text(spread[1])}]`;
}
