/**
 * Every figure that an evaluation gives, declared once: schema, result table, page and sweeps are derived from it. A new
 * score of prompts needs an entry here and its formula in `prompt-scores.ts`.
 */

interface Metric {
  /** Its name in files. */
  key: string;
  /**
   * What it is of: each prompt (then the metric is the mean), all prompts together, or the masks alone. `prompt and full
   * model` is computed for the full model as well, under `full_` and the key.
   */
  of: 'prompt' | 'prompt and full model' | 'all prompts' | 'masks';
  /** Heading of its column. */
  title: string;
  /** For a reader who sees it for the first time. */
  meaning: string;
  format: 'count' | 'decimal' | 'share';
  /** Which of two values speaks for a circuit: the lower, the higher, or the one nearer to the full model's. */
  better: 'lower' | 'higher' | 'full model' | null;
  /** Where it has a column: `wide` on the page and in sweeps, `narrow` in the terminal's 80 characters as well. */
  column?: 'narrow' | 'wide';
}

const METRICS = [
  {
    key: 'active',
    of: 'masks',
    title: 'kept',
    meaning: 'directions whose mask is above the threshold',
    format: 'count',
    better: 'lower',
    column: 'narrow',
  },
  {
    key: 'kl',
    of: 'prompt',
    title: 'KL (nats)',
    meaning: 'how far the next-token distribution lies from the full model’s; 0 is equal',
    format: 'decimal',
    better: 'lower',
    column: 'narrow',
  },
  {
    key: 'exact_match',
    of: 'prompt',
    title: 'exact match',
    meaning: 'share of prompts with the same likeliest token as the full model',
    format: 'share',
    better: 'higher',
    column: 'narrow',
  },
  {
    key: 'accuracy',
    of: 'prompt and full model',
    title: 'accuracy',
    meaning: 'share of prompts whose likeliest token is a right answer; – without answers',
    format: 'share',
    better: 'full model',
    column: 'narrow',
  },
  {
    key: 'logit_diff',
    of: 'prompt and full model',
    title: 'logit diff',
    meaning: 'mean logit of the right answers minus that of the distractors; – without distractors',
    format: 'decimal',
    better: 'full model',
    column: 'narrow',
  },
  {
    key: 'prob_diff',
    of: 'prompt and full model',
    title: 'prob diff',
    meaning: 'probability of the right answers minus that of the distractors; – without distractors',
    format: 'decimal',
    better: 'full model',
    column: 'wide',
  },
  {
    key: 'faithfulness',
    of: 'all prompts',
    title: 'faithful',
    meaning:
      'normalised faithfulness: the logit diff’s way from that with none kept (0) to the full model’s (1); above 1 is possible, – without distractors or where that way is too short to tell from 0',
    format: 'decimal',
    better: 'full model',
    column: 'narrow',
  },
  {
    key: 'l1',
    of: 'masks',
    title: 'Σm',
    meaning: 'sum of all masks',
    format: 'count',
    better: 'lower',
  },
  {
    key: 'directions',
    of: 'masks',
    title: 'directions',
    meaning: 'directions that have a mask',
    format: 'count',
    better: null,
  },
  {
    key: 'relative_sparsity',
    of: 'masks',
    title: 'sparsity',
    meaning: '1 − kept / directions',
    format: 'share',
    better: 'higher',
  },
  {
    key: 'full_sparsity',
    of: 'masks',
    title: 'sparsity by full width',
    meaning:
      '1 − kept / directions, where a head counts as many directions as its matrices are wide instead of as many as it has: the second figure of the paper, above 0 even if all are kept',
    format: 'share',
    better: 'higher',
  },
] as const satisfies readonly Metric[];

type Entry = (typeof METRICS)[number];

/** Scores that compare the masked model with the full one. */
export type ComparingScore = Extract<Entry, { of: 'prompt' }>['key'];
/** Scores that either model has by itself. */
export type OwnScore = Extract<Entry, { of: 'prompt and full model' }>['key'];
/** A score of each prompt, of the masked model or (`full_…`) of the full one. */
export type Score = ComparingScore | OwnScore | `full_${OwnScore}`;
/** What is measured of a mask vector, controls included. */
type MaskedMeasure = Exclude<Entry, { of: 'masks' }>['key'];
/** What is measured on prompts. */
export type Measure = Score | MaskedMeasure;
/** A figure of the masks alone. */
export type Size = Extract<Entry, { of: 'masks' }>['key'];

/** Metrics that have a column in the result table and in sweeps. */
export type ColumnMetric = Extract<Entry, { column: string }>;
export type Column = ColumnMetric['key'];
export const COLUMNS = METRICS.filter((metric): metric is ColumnMetric => 'column' in metric);

export const MASKED_MEASURES = METRICS.filter(({ of }) => of !== 'masks').map(
  ({ key }) => key as MaskedMeasure,
);

export const SCORES: readonly Score[] = METRICS.flatMap(({ key, of }): Score[] => {
  if (of === 'prompt') return [key];
  return of === 'prompt and full model' ? [key, `full_${key}`] : [];
});

export const MEASURES: readonly Measure[] = [...new Set<Measure>([...SCORES, ...MASKED_MEASURES])];

export const SIZES = METRICS.filter(({ of }) => of === 'masks').map(({ key }) => key as Size);

/** One value for each of some keys. */
export function recordOf<Key extends string, Value>(
  keys: readonly Key[],
  value: (key: Key) => Value,
): Record<Key, Value> {
  return Object.fromEntries(keys.map((key) => [key, value(key)])) as Record<Key, Value>;
}
