/** The table of a sweep in plain text: a row a setting, over its seeds. */
import { count, decimal, percent } from '../report/figures.js';
import { alignLeft, alignRight, besides } from '../report/table.js';
import type { Figure } from './results.js';
import type { FigureSummary, SettingSummary } from './summary.js';

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
function varyingSettings(summaries: readonly SettingSummary[]): string[] {
  const names = new Set(summaries.flatMap(({ settings }) => Object.keys(settings)));
  const shown = ['model', ...names].filter(
    (name) => new Set(summaries.map((summary) => String(settingOf(summary, name)))).size > 1,
  );
  const prompts = summaries.some(({ settings }) => settings.task !== undefined) ? 'task' : 'data';
  return [prompts, ...shown.filter((name) => name !== prompts)];
}

function settingOf({ model, settings }: SettingSummary, name: string): string {
  if (name === 'model') return model;
  const value = settings[name];
  return value === undefined ? '–' : String(value ?? 'none');
}

function spread({ sd, interval }: FigureSummary, text: (value: number | null) => string): string {
  const deviation = sd === null ? '' : ` ± ${text(sd)}`;
  return interval === null ? deviation : `${deviation} [${text(interval[0])}, ${text(interval[1])}]`;
}
