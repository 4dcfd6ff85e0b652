/** The tables that scoring ends in: `directions.parquet` and `examples.parquet` (docs/scoring.md, "Files"). */
import { type ParquetColumn, type ParquetGroup, writingParquet } from '../formats/parquet-file.js';
import type { Tokenizer } from '../formats/tokenizer.js';
import type { ScoredDirection } from './bases.js';
import {
  aurocOf,
  cohensD,
  examplesOf,
  extremesOf,
  keyFiguresOf,
  type Moments,
  momentsOf,
  NEAR_ZERO,
  QUANTILE_ERROR,
  quantilesOf,
} from './direction-figures.js';
import type { ScoredWith } from './directions-file.js';
import type { States } from './reader-threads.js';
import { NO_EXAMPLES, stateBytes, unitOf } from './statistics-state.js';

const TABLE_VERSION = '1';

const QUANTILES = [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99] as const;
type Quantile = `q${'01' | '05' | '25' | '50' | '75' | '95' | '99'}`;

/** Coefficients have the unit of what they multiply: attention logits for QK, the written matrix's output else. */
const UNIT = 'coefficient: sigma times the input along u; qk: attention logit after scaling';

/** Figures of one side. */
interface SideFigures extends Record<Quantile, number | null> {
  n: number;
  mean: number | null;
  variance: number | null;
  min: number | null;
  max: number | null;
}

type Corrupted = { [Key in keyof SideFigures as `${Key}_corrupted`]: SideFigures[Key] };

/** A row of `directions.parquet`. */
export interface DirectionRow extends SideFigures, Corrupted {
  data_set: string;
  /** From 0, the same in every data set. */
  id: number;
  /** `L9H6.qk.28`. */
  direction: string;
  component: string;
  kind: string;
  layer: number;
  head: number | null;
  index: number;
  sigma: number;
  mask: number | null;
  clustered: boolean;
  mean_difference: number | null;
  cohens_d: number | null;
  auroc: number | null;
  auroc_error: number | null;
  key_distance: number | null;
  key_share: number | null;
}

/** A row of `examples.parquet`. */
export interface ExampleRow {
  data_set: string;
  direction: string;
  end: 'top' | 'bottom';
  rank: number;
  line: number;
  position: number;
  value: number;
  token: string;
  /** Tokens up to and with the example's own. */
  context: string[];
  context_values: (number | null)[];
  key_position: number | null;
  key_share: number | null;
}

/** As it is written: documents are spelt. */
type WrittenExample = Omit<ExampleRow, 'context' | 'context_values'> & {
  context: string;
  context_values: string;
};

const FIGURES: readonly ParquetColumn[] = [
  { name: 'n', type: 'INT64', unit: 'scored positions' },
  { name: 'mean', type: 'DOUBLE', nullable: true, unit: UNIT },
  { name: 'variance', type: 'DOUBLE', nullable: true, unit: 'square of a coefficient, divided by n - 1' },
  { name: 'min', type: 'FLOAT', nullable: true, unit: UNIT },
  { name: 'max', type: 'FLOAT', nullable: true, unit: UNIT },
  ...QUANTILES.map(
    (q): ParquetColumn => ({ name: quantileName(q), type: 'DOUBLE', nullable: true, unit: UNIT }),
  ),
];

export const DIRECTION_COLUMNS: readonly ParquetColumn[] = [
  { name: 'data_set', type: 'STRING' },
  { name: 'id', type: 'INT32' },
  { name: 'direction', type: 'STRING' },
  { name: 'component', type: 'STRING' },
  { name: 'kind', type: 'STRING' },
  { name: 'layer', type: 'INT32' },
  { name: 'head', type: 'INT32', nullable: true },
  { name: 'index', type: 'INT32' },
  { name: 'sigma', type: 'FLOAT' },
  { name: 'mask', type: 'FLOAT', nullable: true },
  { name: 'clustered', type: 'BOOLEAN' },
  ...FIGURES,
  ...FIGURES.map((column) => ({ ...column, name: `${column.name}_corrupted` })),
  { name: 'mean_difference', type: 'DOUBLE', nullable: true, unit: UNIT },
  { name: 'cohens_d', type: 'DOUBLE', nullable: true, unit: 'pooled standard deviations' },
  { name: 'auroc', type: 'DOUBLE', nullable: true, unit: 'probability that clean exceeds corrupted' },
  { name: 'auroc_error', type: 'DOUBLE', nullable: true, unit: 'bound on the error of auroc' },
  { name: 'key_distance', type: 'DOUBLE', nullable: true, unit: 'tokens back to the strongest key, mean' },
  {
    name: 'key_share',
    type: 'DOUBLE',
    nullable: true,
    unit: 'share of the attention logits at strongest keys',
  },
];

export const EXAMPLE_COLUMNS: readonly ParquetColumn[] = [
  { name: 'data_set', type: 'STRING' },
  { name: 'direction', type: 'STRING' },
  { name: 'end', type: 'STRING' },
  { name: 'rank', type: 'INT32' },
  { name: 'line', type: 'INT32', unit: 'line of the data set, from 1' },
  { name: 'position', type: 'INT32', unit: 'token of the prompt, from 0' },
  { name: 'value', type: 'FLOAT', unit: UNIT },
  { name: 'token', type: 'STRING' },
  { name: 'context', type: 'JSON', spelt: true },
  { name: 'context_values', type: 'JSON', spelt: true, unit: UNIT },
  { name: 'key_position', type: 'INT32', nullable: true, unit: 'token of the prompt, from 0' },
  { name: 'key_share', type: 'DOUBLE', nullable: true, unit: 'value / attention logit at that key' },
];

export interface ScoredDataSet {
  name: string;
  states: States;
}

export interface TableContext extends ScoredWith {
  tokenizer: Tokenizer | null;
  /** For the files' metadata. */
  metadata: Record<string, string>;
}

/** Writes both tables, a data set after the other. */
export async function writeTables(
  paths: { directions: string; examples: string },
  load: () => AsyncIterable<ScoredDataSet>,
  context: TableContext,
): Promise<void> {
  const metadata = {
    schema_version: TABLE_VERSION,
    ...context.metadata,
    quantile_error: `at most ${QUANTILE_ERROR} of the value, or ${NEAR_ZERO} of the largest magnitude`,
  };
  const spell = spelling(context.tokenizer);
  await writingParquet(paths.directions, DIRECTION_COLUMNS, metadata, (directions) =>
    writingParquet(paths.examples, EXAMPLE_COLUMNS, metadata, async (examples) => {
      for await (const dataSet of load()) {
        await directions(directionGroup(dataSet, context));
        for (let from = 0; from < context.directions.length; from += EXAMPLE_GROUP)
          await examples(exampleGroup(dataSet, context, from, spell));
      }
    }),
  );
}

/** Directions in one row group of examples. */
const EXAMPLE_GROUP = 4096;

/** A table while it is filled: rows would be made of the same cells, and be larger. */
type Cells<Row> = { [Name in keyof Row]-?: Row[Name][] };

function noCells<Row>(columns: readonly ParquetColumn[]): Cells<Row> {
  return Object.fromEntries(columns.map(({ name }) => [name, []])) as unknown as Cells<Row>;
}

/** Appends what is known of a row; every column of it must be given in the end. */
function append<Row extends object>(cells: Cells<Row>, row: Partial<Row>): void {
  for (const name in row) cells[name].push(row[name] as Row[typeof name]);
}

function groupOf<Row>(columns: readonly ParquetColumn[], cells: Cells<Row>): ParquetGroup {
  return columns.map(({ name, type }) => {
    const column = cells[name as keyof Row];
    return type === 'INT64' ? (column as number[]).map(BigInt) : column;
  }) as ParquetGroup;
}

/** `L9H6.qk.28`. */
function directionName({ component, index }: ScoredDirection): string {
  return `${component.name}.${index}`;
}

function directionGroup({ name, states }: ScoredDataSet, context: TableContext): ParquetGroup {
  const { directions, masks, sizes } = context;
  const cells = noCells<DirectionRow>(DIRECTION_COLUMNS);
  const [ofClean, ofCorrupted] = [figureCells(cells, ''), figureCells(cells, '_corrupted')];
  directions.forEach((direction, at) => {
    const { component, index, sigma, clustered } = direction;
    const unit = unitOf(sigma);
    const clean = stateAt(states.clean, at, stateBytes(sizes));
    const corrupted = stateAt(states.corrupted, at, stateBytes(NO_EXAMPLES));
    const first = appendFigures(ofClean, clean, unit);
    const second = appendFigures(ofCorrupted, corrupted, unit);
    const paired = second.count > 0;
    const separation = paired ? aurocOf(clean, corrupted) : null;
    const keys = component.kind === 'qk' && first.count > 0 ? keyFiguresOf(clean, unit) : null;
    append(cells, {
      data_set: name,
      id: at,
      direction: directionName(direction),
      component: component.name,
      kind: component.kind,
      layer: component.layer,
      head: component.head ?? null,
      index,
      sigma,
      mask: masks ? masks[at]! : null,
      clustered,
      mean_difference: paired ? known(first.mean - second.mean) : null,
      cohens_d: paired ? cohensD(first, second) : null,
      auroc: separation?.auroc ?? null,
      auroc_error: separation?.error ?? null,
      key_distance: keys?.distance ?? null,
      key_share: keys?.share ?? null,
    });
  });
  return groupOf(DIRECTION_COLUMNS, cells);
}

/** The columns of one side's figures, in the order of {@link FIGURES}. */
function figureCells(cells: Cells<DirectionRow>, suffix: '' | '_corrupted'): (number | null)[][] {
  return FIGURES.map(({ name }) => cells[`${name as keyof SideFigures}${suffix}`]);
}

function appendFigures(figures: (number | null)[][], state: DataView, unit: number): Moments {
  const moments = momentsOf(state, unit);
  const { count, mean, variance } = moments;
  const { min, max } = extremesOf(state);
  [count, mean, variance, min, max, ...quantilesOf(state, QUANTILES)].forEach((figure, i) => {
    figures[i]!.push(known(figure));
  });
  return moments;
}

function exampleGroup(
  { name, states }: ScoredDataSet,
  { directions, sizes }: TableContext,
  from: number,
  spell: (id: number) => SpeltToken,
): ParquetGroup {
  const cells = noCells<WrittenExample>(EXAMPLE_COLUMNS);
  const to = Math.min(from + EXAMPLE_GROUP, directions.length);
  for (let at = from; at < to; at++) {
    const direction = directionName(directions[at]!);
    const state = stateAt(states.clean, at, stateBytes(sizes));
    for (const end of ['top', 'bottom'] as const)
      examplesOf(state, sizes, end).forEach(({ value, prompt, position, key, logit, context, values }, i) => {
        append(cells, {
          data_set: name,
          direction,
          end,
          rank: i + 1,
          line: prompt,
          position,
          value,
          token: spell(context.at(-1)!).token,
          context: `[${context.map((id) => spell(id).json).join(',')}]`,
          // What is not finite is null in JSON.
          context_values: JSON.stringify(values),
          key_position: key < 0 ? null : key,
          key_share: key < 0 ? null : known(value / logit),
        });
      });
  }
  return groupOf(EXAMPLE_COLUMNS, cells);
}

interface SpeltToken {
  token: string;
  json: string;
}

/** Spells each token once. */
function spelling(tokenizer: Tokenizer | null): (id: number) => SpeltToken {
  const known = new Map<number, SpeltToken>();
  return (id) => {
    let spelt = known.get(id);
    if (!spelt) {
      const token = tokenizer ? tokenizer.token(id) : String(id);
      spelt = { token, json: JSON.stringify(token) };
      known.set(id, spelt);
    }
    return spelt;
  };
}

function stateAt(states: Uint8Array, at: number, bytes: number): DataView {
  return new DataView(states.buffer, states.byteOffset + at * bytes, bytes);
}

function quantileName(q: number): Quantile {
  return `q${String(Math.round(100 * q)).padStart(2, '0')}` as Quantile;
}

/** What JSON and tables call unknown. */
function known(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}
