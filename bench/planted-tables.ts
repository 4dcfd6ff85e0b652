/** What planted models showed (`planted.ts`) by kind of model: a summary of its lines, tables and a picture of it. */
import type { Basis } from '../src/decompose/basis.js';
import type { Positions } from '../src/forward/masking-rules.js';
import { PLANTED_DEFAULTS, type PlantedOptions } from '../src/planted/planted-model.js';
import type { Recovery } from '../src/planted/recovery.js';
import { linearAxis } from '../src/report/axis.js';
import { mean } from '../src/statistics/summary.js';

export type RankedMethod =
  | 'learned'
  | 'attribution'
  | 'integrated'
  | 'conductance'
  | 'difference'
  | 'sigma'
  | 'random';

/**
 * The circuit that training ends with where its rounding phase begins at ½; the soft masks cut where validation KL +
 * λ · (number kept) is least; and that cut learned on from by the rounding phase (`--cut validation`).
 */
export type Way = 'half' | 'cut' | 'validation';

type Setting = Omit<PlantedOptions, 'seed'> & { positions: Positions; basis: Basis['basis'] };

/** One planted model. */
export interface Row extends Setting {
  seed: number;
  /** Settings of training that differ from the default preset, as JSON. */
  settings: string;
  directions: number;
  found: Record<Way, Recovery & { kl: number; accuracy: number }> & {
    /** Of the full model, on the test prompts. */
    full_accuracy: number;
    /** KL of the true circuit, and of all but it. */
    truth: { kl: number; without: number };
  };
  /** Of each ranking's first directions, as many as have a share of the mechanism of at least a tenth. */
  ranked: Partial<Record<RankedMethod, { f1: number; auroc: number | null }>>;
  seconds: number;
}

interface Spread {
  mean: number;
  least: number;
}

/** Models that differ by their seed alone. */
export interface Cell extends Setting {
  settings: string;
  seeds: number;
  directions: number;
  carrying: number;
  full_accuracy: number;
  ceiling: number;
  truth: { kl: number; without: number };
  auroc: number | null;
  found: Record<Way, { precision: number; recall: number; f1: Spread; kl: number }>;
  ranked: Partial<Record<RankedMethod, { f1: Spread; auroc: number | null }>>;
}

const round = (value: number) => Number(value.toFixed(4));
const spread = (values: readonly number[]): Spread => ({
  mean: round(mean(values)!),
  least: round(Math.min(...values)),
});

export function summary(rows: readonly Row[]): Cell[] {
  const groups = new Map<string, Row[]>();
  for (const row of rows) {
    const { seed, directions, found, ranked, seconds, ...setting } = row;
    const key = JSON.stringify(setting);
    groups.set(key, [...(groups.get(key) ?? []), row]);
  }
  return [...groups].map(([key, group]): Cell => {
    const average = (of: (row: Row) => number) => round(mean(group.map(of))!);
    const maybe = (values: (number | null)[]) =>
      values.some((value) => value === null) ? null : round(mean(values as number[])!);
    const way = (name: Way) => ({
      precision: average(({ found }) => found[name].precision),
      recall: average(({ found }) => found[name].recall),
      f1: spread(group.map(({ found }) => found[name].f1)),
      kl: average(({ found }) => found[name].kl),
    });
    const methods = Object.keys(group[0]!.ranked) as RankedMethod[];
    const ranked = methods.flatMap((method) => {
      const own = group.flatMap((row) => row.ranked[method] ?? []);
      if (own.length < group.length) return [];
      return [[method, { f1: spread(own.map(({ f1 }) => f1)), auroc: maybe(own.map(({ auroc }) => auroc)) }]];
    });
    return {
      ...(JSON.parse(key) as Setting & { settings: string }),
      seeds: group.length,
      directions: average((row) => row.directions),
      carrying: average(({ found }) => found.cut.carrying),
      full_accuracy: average(({ found }) => found.full_accuracy),
      ceiling: average(({ found }) => found.cut.ceiling),
      truth: {
        kl: average(({ found }) => found.truth.kl),
        without: average(({ found }) => found.truth.without),
      },
      auroc: maybe(group.map(({ found }) => found.cut.auroc)),
      found: { half: way('half'), cut: way('cut'), validation: way('validation') },
      ranked: Object.fromEntries(ranked),
    };
  });
}

const WAYS: Record<Way, string> = {
  half: 'as learned (`--cut half`)',
  cut: 'soft masks, cut',
  validation: '`--cut validation`',
};
const METHODS: Record<RankedMethod, string> = {
  learned: 'learned',
  attribution: 'attribution',
  integrated: 'integrated',
  conductance: 'conductance',
  difference: 'difference',
  sigma: 'σ',
  random: 'random',
};

function table(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  return [heads, heads.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n');
}

const digits = (value: number | null, places: number) => (value === null ? '–' : value.toFixed(places));
const nameOf = ({ mechanism, positions, basis }: Cell) =>
  `${mechanism}${positions === 'all' ? ', all positions' : ''}${basis === 'svd' ? '' : `, ${basis}`}`;

/** Three tables: what circuits find; what rankings find, F1; and their AUROC. */
export function tables(cells: readonly Cell[]): string {
  const named = ['mechanism, basis', 'overlap', 'strength', 'seeds'];
  const name = (cell: Cell) => [
    nameOf(cell),
    String(cell.overlap),
    String(cell.strength),
    String(cell.seeds),
  ];
  const circuits = table(
    [
      ...named,
      'accuracy',
      'carrying',
      'ceiling',
      'KL: true, without',
      ...Object.values(WAYS).flatMap((way) => [`${way}: F1 (least)`, 'KL']),
    ],
    cells.map((cell) => [
      ...name(cell),
      digits(cell.full_accuracy, 2),
      `${digits(cell.carrying, 0)} of ${digits(cell.directions, 0)}`,
      digits(cell.ceiling, 3),
      `${digits(cell.truth.kl, 3)}, ${digits(cell.truth.without, 2)}`,
      ...(Object.keys(WAYS) as Way[]).flatMap((way) => {
        const { f1, kl } = cell.found[way];
        return [`${digits(f1.mean, 3)} (${digits(f1.least, 3)})`, digits(kl, 3)];
      }),
    ]),
  );
  const methods = Object.keys(METHODS) as RankedMethod[];
  const ranked = (of: (cell: Cell, method: RankedMethod) => string) =>
    table(
      [...named, 'ceiling', ...methods.map((method) => METHODS[method])],
      cells.map((cell) => [
        ...name(cell),
        digits(cell.ceiling, 2),
        ...methods.map((method) => (cell.ranked[method] ? of(cell, method) : '–')),
      ]),
    );
  const f1 = ranked((cell, method) => {
    const { mean, least } = cell.ranked[method]!.f1;
    return `${digits(mean, 2)} (${digits(least, 2)})`;
  });
  const auroc = ranked((cell, method) => digits(cell.ranked[method]!.auroc, 3));
  return ['What circuits find', circuits, 'F1 of rankings', f1, 'AUROC of rankings', auroc].join('\n\n');
}

/** Panels of the picture: width, height, and what is around the plot. */
const PANEL = { width: 230, height: 170, left: 34, right: 8, top: 24, bottom: 26 };
const COLOURS: Record<RankedMethod, string> = {
  learned: '#0072b2',
  attribution: '#d55e00',
  integrated: '#009e73',
  conductance: '#cc79a7',
  difference: '#e69f00',
  sigma: '#56b4e9',
  random: '#7f7f7f',
};

/** F1 of each ranking by strength of the distractors: a row a mechanism, a panel an overlap; dashed, the ceiling. */
export function picture(all: readonly Cell[]): string {
  const { strength, overlap, ...others } = PLANTED_DEFAULTS;
  const usual = Object.entries(others) as [keyof typeof others, unknown][];
  const cells = all.filter(
    (cell) =>
      cell.basis === 'svd' &&
      cell.positions === 'last' &&
      cell.settings === '{}' &&
      usual.every(([name, value]) => cell[name] === value),
  );
  const distinct = <T>(of: (cell: Cell) => T) => [...new Set(cells.map(of))];
  const overlaps = distinct(({ overlap }) => overlap).sort((a, b) => a - b);
  const mechanisms = distinct(({ mechanism }) => mechanism).filter(
    (mechanism) =>
      new Set(cells.filter((cell) => cell.mechanism === mechanism).map(({ strength }) => strength)).size > 1,
  );
  const y = linearAxis(1);
  const [least, most] = [
    Math.log2(Math.min(...cells.map(({ strength }) => strength))),
    Math.log2(Math.max(...cells.map(({ strength }) => strength))),
  ];
  const tenth = (value: number) => Math.round(10 * value) / 10;
  const panels = mechanisms.flatMap((mechanism, row) =>
    overlaps.map((overlap, column) => {
      const own = cells
        .filter((cell) => cell.mechanism === mechanism && cell.overlap === overlap)
        .sort((a, b) => a.strength - b.strength);
      const [from, to] = [PANEL.left, PANEL.width - PANEL.right];
      const across = (strength: number) =>
        tenth(from + ((Math.log2(strength) - least) / (most - least)) * (to - from));
      const up = (value: number) =>
        tenth(PANEL.height - PANEL.bottom - y.place(value) * (PANEL.height - PANEL.bottom - PANEL.top));
      const path = (of: (cell: Cell) => number | undefined) =>
        own
          .flatMap((cell) => {
            const value = of(cell);
            return value === undefined ? [] : [`${across(cell.strength)} ${up(value)}`];
          })
          .map((point, at) => `${at === 0 ? 'M' : 'L'}${point}`)
          .join('');
      const curves = (Object.keys(METHODS) as RankedMethod[]).map(
        (method) =>
          `<path d="${path(({ ranked }) => ranked[method]?.f1.mean)}" stroke="${COLOURS[method]}" stroke-width="1.6" fill="none"/>`,
      );
      const seeds = [...new Set(own.map((cell) => cell.seeds))].join(', ');
      return `<g transform="translate(${column * PANEL.width} ${row * PANEL.height})">
<text x="${from}" y="14">${mechanism}, overlap ${overlap} (${seeds} seeds)</text>
${y.ticks.map(({ value, label }) => `<path d="M${from} ${up(value)}H${to}" stroke="#ddd"/><text x="${from - 5}" y="${up(value) + 4}" text-anchor="end">${label}</text>`).join('\n')}
${own.map(({ strength }) => `<text x="${across(strength)}" y="${PANEL.height - 10}" text-anchor="middle">${strength}</text>`).join('\n')}
<path d="${path(({ ceiling }) => ceiling)}" stroke="#000" stroke-dasharray="4 3" fill="none"/>
${curves.join('\n')}
</g>`;
    }),
  );
  const width = overlaps.length * PANEL.width;
  const height = mechanisms.length * PANEL.height + 24;
  const legend = (Object.keys(METHODS) as RankedMethod[]).map(
    (method, at) =>
      `<path d="M${8 + at * 96} ${height - 12}h16" stroke="${COLOURS[method]}" stroke-width="2"/><text x="${28 + at * 96}" y="${height - 8}">${METHODS[method]}</text>`,
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="sans-serif" font-size="11">
<title>F1 of rankings on planted models by strength of the distractors; dashed, the best of any set of directions</title>
<rect width="${width}" height="${height}" fill="#fff"/>
${panels.join('\n')}
${legend.join('\n')}
</svg>
`;
}
