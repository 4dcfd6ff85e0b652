/** The table of a sweep in plain text: a row a setting, over its seeds. */
import { count, decimal, percent } from '../report/figures.js';
import { alignLeft, alignRight, besides } from '../report/table.js';
import type { Figure } from './results.js';
import type { Stability } from './stability.js';
import type { FigureSummary, SettingSummary } from './summary.js';

/** What says which setting a row is of. */
type Setting = Pick<SettingSummary, 'model' | 'settings'>;

/** Columns beside the settings that vary: heading, figure, and how a value is written. */
const COLUMNS: [heading: string, figure: Figure, text: (value: number | null) => string][] = [
  ['kept', 'active', (value) => (value === null ? '–' : count(value))],
  ['KL (nats)', 'kl', (value) => decimal(value)],
  ['exact match', 'exact_match', percent],
  ['accuracy', 'accuracy', percent],
  ['prob diff', 'prob_diff', (value) => decimal(value)],
];

export function summaryTable(summaries: readonly SettingSummary[]): string {
  if (summaries.length === 0) return 'no complete run';
  const names = varyingSettings(summaries);
  const columns = [
    ...names.map((name) =>
      alignLeft([name, ...summaries.map((summary) => String(settingOf(summary, name)))]),
    ),
    alignRight(['seeds', ...summaries.map(({ seeds }) => String(seeds.length))]),
    ...COLUMNS.map(([heading, figure, text]) =>
      alignLeft([
        heading,
        ...alignRight(summaries.map(({ figures }) => text(figures[figure].mean))).map(
          (value, i) => `${value}${spread(summaries[i]!.figures[figure], text)}`,
        ),
      ]),
    ),
    alignLeft(['', ...summaries.map(({ pareto }) => (pareto ? 'front' : ''))]),
  ];
  return [
    besides(columns),
    '',
    'mean ± standard deviation over seeds [low, high]: bootstrap interval of the mean over seeds and prompts',
    'front: no other setting on the same prompts keeps fewer directions at a lower KL',
  ].join('\n');
}

/** Names of the settings in which the summaries differ; the task always, so that a table says what it is about. */
function varyingSettings(summaries: readonly Setting[]): string[] {
  const names = new Set(summaries.flatMap(({ settings }) => Object.keys(settings)));
  const shown = ['model', ...names].filter(
    (name) => new Set(summaries.map((summary) => String(settingOf(summary, name)))).size > 1,
  );
  const prompts = summaries.some(({ settings }) => settings.task !== undefined) ? 'task' : 'data';
  return [prompts, ...shown.filter((name) => name !== prompts)];
}

/** The settings in which an entry differs from the others, as a heading. */
export function settingName(entry: Setting, all: readonly Setting[]): string {
  return varyingSettings(all)
    .map((name) => `${name} ${settingOf(entry, name)}`)
    .join(', ');
}

function settingOf({ model, settings }: Setting, name: string): string {
  if (name === 'model') return model;
  const value = settings[name];
  return value === undefined ? '–' : String(value ?? 'none');
}

function spread({ sd, interval }: FigureSummary, text: (value: number | null) => string): string {
  const deviation = sd === null ? '' : ` ± ${text(sd)}`;
  return interval === null ? deviation : `${deviation} [${text(interval[0])}, ${text(interval[1])}]`;
}

/** A row a setting: how far its seeds agree on directions. */
export function stabilityTable(entries: readonly Stability[]): string {
  if (entries.length === 0) return 'no setting with two seeds';
  const names = varyingSettings(entries);
  const number = (value: number | null) => decimal(value, 2);
  const column = (heading: string, text: (entry: Stability) => string) =>
    alignRight([heading, ...entries.map(text)]);
  const columns = [
    ...names.map((name) => alignLeft([name, ...entries.map((entry) => settingOf(entry, name))])),
    column('seeds', ({ seeds }) => String(seeds.length)),
    column(
      'Jaccard',
      ({ jaccard, jaccard_interval: interval }) =>
        number(jaccard) + (interval ? ` [${number(interval[0])}, ${number(interval[1])}]` : ''),
    ),
    column('chance', ({ chance }) => number(chance)),
    column('by component', ({ chance_by_component }) => number(chance_by_component)),
    column('rank corr.', ({ rank_correlation }) => number(rank_correlation)),
    column('always', ({ always }) => count(always)),
    column('mostly', ({ mostly }) => count(mostly)),
    column('ever', ({ ever }) => count(ever)),
  ];
  return [
    besides(columns),
    '',
    'Jaccard index of the active directions of two seeds, mean over pairs [bootstrap over seeds]; chance: sets of the same',
    'sizes drawn from all directions, or component by component; rank corr.: of the masks before rounding, over all',
    'directions; always, mostly, ever: directions active in all seeds, in half of them at least, in any',
  ].join('\n');
}

/** The components of one setting, the largest first. */
export function componentTable({ components }: Stability, most = 12): string {
  const shown = [...components].sort((a, b) => b.active - a.active).slice(0, most);
  const number = (value: number | null) => decimal(value, 2);
  return besides([
    alignLeft(['component', ...shown.map(({ component }) => component)]),
    alignRight(['active', ...shown.map(({ active, directions }) => `${decimal(active, 1)}/${directions}`)]),
    alignRight(['Jaccard', ...shown.map(({ jaccard }) => number(jaccard))]),
    alignRight(['chance', ...shown.map(({ chance }) => number(chance))]),
    alignRight(['rank corr.', ...shown.map(({ rank_correlation }) => number(rank_correlation))]),
  ]);
}
