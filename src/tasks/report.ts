/** What a generator kept and dropped for a tokenizer, counted so that it can be shown. */
import type { SplitCounts } from './splits.js';

export interface TaskReport {
  /** For each word list: how many of its words fit the tokenizer, and which do not. */
  lists: { list: string; kept: number; of: number; dropped: string[] }[];
  /** Drawn pairs that were thrown away, by reason. */
  refused: Record<string, number>;
  asked: SplitCounts;
  made: SplitCounts;
  /** Whatever changes the meaning of a score. */
  notes: string[];
}

export function emptyReport(asked: SplitCounts): TaskReport {
  return { lists: [], refused: {}, asked, made: { train: 0, validation: 0, test: 0 }, notes: [] };
}

/** Keeps the items that pass and records the count under the list's name. */
export function keep<T>(
  report: TaskReport,
  list: string,
  items: readonly T[],
  passes: (item: T) => boolean,
  nameOf: (item: T) => string = String,
): T[] {
  const kept = items.filter(passes);
  const dropped = items.filter((item) => !kept.includes(item)).map(nameOf);
  report.lists.push({ list, kept: kept.length, of: items.length, dropped });
  return kept;
}

/** The report in plain lines, e.g. `names kept 61 of 80`; lists that were kept whole are left out. */
export function reportLines({ lists, refused, asked, made, notes }: TaskReport): string[] {
  const sizes = ({ train, validation, test }: SplitCounts) => `${train} / ${validation} / ${test}`;
  const short =
    sizes(made) === sizes(asked) ? '' : ` of ${sizes(asked)} asked for: no more different prompts`;
  return [
    `pairs (train / validation / test) ${sizes(made)}${short}`,
    ...lists.filter(({ kept, of }) => kept < of).map(({ list, kept, of }) => `${list} kept ${kept} of ${of}`),
    ...Object.entries(refused).map(([reason, count]) => `draws refused ${count}: ${reason}`),
    ...notes,
  ];
}
