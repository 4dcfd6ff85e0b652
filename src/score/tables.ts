/** The tables that scoring ends in: `directions.parquet` and `examples.parquet` (docs/scoring.md, "Files"). */
import { type ParquetColumn, type ParquetGroup, writeParquet } from '../formats/parquet-file.js';
import type { Tokenizer } from '../formats/tokenizer.js';
import type { ScoredDirection } from './bases.js';
import {
  aurocOf,
  cohensD,
  type Example,
  examplesOf,
  extremesOf,
  histogramOf,
  histogramQuantile,
  keyFiguresOf,
  momentsOf,
  NEAR_ZERO,
  QUANTILE_ERROR,
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
  { name: 'context', type: 'JSON' },
  { name: 'context_values', type: 'JSON', unit: UNIT },
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

/** Writes both tables; data sets are loaded one at a time, twice. */
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
  await writeParquet(paths.directions, DIRECTION_COLUMNS, metadata, directionGroups(load(), context));
  await writeParquet(paths.examples, EXAMPLE_COLUMNS, metadata, exampleGroups(load(), context));
}

/** Directions in one row group of examples. */
const EXAMPLE_GROUP = 4096;

async function* directionGroups(
  dataSets: AsyncIterable<ScoredDataSet>,
  context: TableContext,
): AsyncGenerator<ParquetGroup> {
  for await (const { name, states } of dataSets) {
    const rows = context.directions.map((_, at) => directionRow(name, states, at, context));
    yield columnsOf(DIRECTION_COLUMNS, rows as unknown as Record<string, unknown>[]);
  }
}

async function* exampleGroups(
  dataSets: AsyncIterable<ScoredDataSet>,
  context: TableContext,
): AsyncGenerator<ParquetGroup> {
  for await (const { name, states } of dataSets)
    for (let from = 0; from < context.directions.length; from += EXAMPLE_GROUP) {
      const rows: ExampleRow[] = [];
      const to = Math.min(from + EXAMPLE_GROUP, context.directions.length);
      for (let at = from; at < to; at++) rows.push(...exampleRows(name, states, at, context));
      yield columnsOf(EXAMPLE_COLUMNS, rows as unknown as Record<string, unknown>[]);
    }
}

function columnsOf(columns: readonly ParquetColumn[], rows: Record<string, unknown>[]): ParquetGroup {
  return columns.map(({ name, type }) =>
    rows.map((row) => (type === 'INT64' ? BigInt(row[name] as number) : row[name])),
  ) as ParquetGroup;
}

/** `L9H6.qk.28`. */
function directionName({ component, index }: ScoredDirection): string {
  return `${component.name}.${index}`;
}

function directionRow(
  dataSet: string,
  states: States,
  at: number,
  { directions, masks, sizes }: TableContext,
): DirectionRow {
  const direction = directions[at]!;
  const { component, index, sigma, clustered } = direction;
  const unit = unitOf(sigma);
  const clean = stateAt(states.clean, at, stateBytes(sizes));
  const corrupted = stateAt(states.corrupted, at, stateBytes(NO_EXAMPLES));
  const [first, second] = [momentsOf(clean, unit), momentsOf(corrupted, unit)];
  const separation = aurocOf(clean, corrupted);
  const keys = component.kind === 'qk' && first.count > 0 ? keyFiguresOf(clean, unit) : null;
  return {
    data_set: dataSet,
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
    ...sideFigures(clean, unit),
    ...(Object.fromEntries(
      Object.entries(sideFigures(corrupted, unit)).map(([name, value]) => [`${name}_corrupted`, value]),
    ) as unknown as Corrupted),
    mean_difference: second.count > 0 ? known(first.mean - second.mean) : null,
    cohens_d: second.count > 0 ? cohensD(first, second) : null,
    auroc: separation?.auroc ?? null,
    auroc_error: separation?.error ?? null,
    key_distance: keys?.distance ?? null,
    key_share: keys?.share ?? null,
  };
}

function sideFigures(state: DataView, unit: number): SideFigures {
  const { count, mean, variance } = momentsOf(state, unit);
  const { min, max } = extremesOf(state);
  const histogram = histogramOf(state);
  const quantiles = QUANTILES.map((q) => [quantileName(q), known(histogramQuantile(histogram, q, min, max))]);
  return {
    n: count,
    mean: known(mean),
    variance: known(variance),
    min: known(min),
    max: known(max),
    ...(Object.fromEntries(quantiles) as Record<Quantile, number | null>),
  };
}

function exampleRows(
  dataSet: string,
  states: States,
  at: number,
  { directions, sizes, tokenizer }: TableContext,
): ExampleRow[] {
  const direction = directionName(directions[at]!);
  const state = stateAt(states.clean, at, stateBytes(sizes));
  const spell = (id: number) => (tokenizer ? tokenizer.token(id) : String(id));
  const row = (example: Example, end: 'top' | 'bottom', rank: number): ExampleRow => {
    const { value, prompt, position, key, logit, context, values } = example;
    const start = context.findIndex((id) => id >= 0);
    return {
      data_set: dataSet,
      direction,
      end,
      rank,
      line: prompt,
      position,
      value,
      token: spell(context.at(-1)!),
      context: context.slice(start).map(spell),
      context_values: values.slice(start).map(known),
      key_position: key < 0 ? null : key,
      key_share: key < 0 ? null : known(value / logit),
    };
  };
  return (['top', 'bottom'] as const).flatMap((end) =>
    examplesOf(state, sizes, end).map((example, i) => row(example, end, i + 1)),
  );
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
