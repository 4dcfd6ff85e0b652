/** The table of a sweep in plain text: one row per setting, over its seeds. */
import { COLUMNS } from '../evaluate/metrics.js';
import { count, decimal } from '../report/figures.js';
import { figureText, spreadText } from '../report/result-rows.js';
import { type TextColumn, textTable } from '../report/text-table.js';
import type { Stability } from './stability.js';
import type { SettingSummary } from './summary.js';

/** What says which setting a row is of. */
type Setting = Pick<SettingSummary, 'model' | 'settings'>;

export function summaryTable(summaries: readonly SettingSummary[]): string {
  if (summaries.length === 0) return 'no complete run';
  return [
    textTable([
      ...settingColumns(summaries),
      figureColumn('seeds', summaries, ({ seeds }) => String(seeds.length)),
      ...COLUMNS.map((metric): TextColumn => {
        const figures = summaries.map((summary) => summary.figures[metric.key]);
        return {
          heading: metric.title,
          texts: figures.map(({ mean }) => figureText(metric, mean).value),
          spreads: figures.map(({ sd, interval }) =>
            [spreadText(metric, sd), spreadText(metric, interval)].filter((text) => text !== '').join(' '),
          ),
          align: 'right',
        };
      }),
      { heading: '', texts: summaries.map(({ pareto }) => (pareto ? 'front' : '')), align: 'left' },
    ]),
    '',
    'mean ± standard deviation over seeds [low, high]: bootstrap interval of the mean over seeds and prompts',
    'front: no other setting on the same prompts keeps fewer directions at a lower KL',
  ].join('\n');
}

/** The settings in which entries differ, a column each. */
function settingColumns(entries: readonly Setting[]): TextColumn[] {
  return varyingSettings(entries).map((name) => ({
    heading: name,
    texts: entries.map((entry) => settingOf(entry, name)),
    align: 'left',
  }));
}

function figureColumn<Entry>(
  heading: string,
  entries: readonly Entry[],
  text: (entry: Entry) => string,
): TextColumn {
  return { heading, texts: entries.map(text), align: 'right' };
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

/** One row per setting: how far its seeds agree on directions. */
export function stabilityTable(entries: readonly Stability[]): string {
  if (entries.length === 0) return 'no setting with two seeds';
  const column = (heading: string, text: (entry: Stability) => string) =>
    figureColumn(heading, entries, text);
  return [
    textTable([
      ...settingColumns(entries),
      column('seeds', ({ seeds }) => String(seeds.length)),
      column(
        'Jaccard',
        ({ jaccard, jaccard_interval: interval }) =>
          share(jaccard) + (interval ? ` [${share(interval[0])}, ${share(interval[1])}]` : ''),
      ),
      column('chance', ({ chance }) => share(chance)),
      column('by component', ({ chance_by_component }) => share(chance_by_component)),
      column('rank corr.', ({ rank_correlation }) => share(rank_correlation)),
      column('always', ({ always }) => count(always)),
      column('mostly', ({ mostly }) => count(mostly)),
      column('ever', ({ ever }) => count(ever)),
    ]),
    '',
    'Jaccard index of the active directions of two seeds, mean over pairs [bootstrap over seeds]; chance: sets of the same',
    'sizes drawn from all directions, or component by component; rank corr.: of the masks before rounding, over all',
    'directions; always, mostly, ever: directions active in all seeds, in half of them at least, in any',
  ].join('\n');
}

/** The components of one setting, the largest first. */
export function componentTable({ components }: Stability, most = 12): string {
  const shown = [...components].sort((a, b) => b.active - a.active).slice(0, most);
  return textTable([
    { heading: 'component', texts: shown.map(({ component }) => component), align: 'left' },
    figureColumn('active', shown, ({ active, directions }) => `${decimal(active, 1)}/${directions}`),
    figureColumn('Jaccard', shown, ({ jaccard }) => share(jaccard)),
    figureColumn('chance', shown, ({ chance }) => share(chance)),
    figureColumn('rank corr.', shown, ({ rank_correlation }) => share(rank_correlation)),
  ]);
}

function share(value: number | null): string {
  return decimal(value, 2);
}
