/** Reads the tables of a scoring folder back, and ranks directions. */
import { join } from 'node:path';
import { InputError } from '../errors.js';
import { describeJson } from '../formats/json-file.js';
import { type ParquetColumn, readParquetGroups } from '../formats/parquet-file.js';
import type { Ranking } from '../settings/choices.js';
import { DIRECTION_COLUMNS, type DirectionRow, EXAMPLE_COLUMNS, type ExampleRow } from './tables.js';

/** Figures that directions can be ranked by: the further from the value that means nothing, the higher. */
const STRENGTH: Record<Ranking, (figure: number) => number> = {
  cohens_d: Math.abs,
  auroc: (auroc) => Math.abs(auroc - 0.5),
  mean_difference: Math.abs,
  mean: Math.abs,
  variance: (variance) => variance,
};

/** The strongest directions of one data set. */
export interface RankedDataSet {
  dataSet: string;
  by: Ranking;
  /** Scored positions of clean prompts. */
  positions: number;
  /** Strongest first; none where nothing was scored, or too little for the figure. */
  rows: DirectionRow[];
}

/**
 * The strongest directions of each data set.
 * @param by null: by Cohen's d, or by variance where there were no corrupted prompts
 * @throws InputError if the folder holds no tables, or the ranking needs corrupted prompts that are not there
 */
export async function rankDirections(
  folder: string,
  by: Ranking | null,
  top: number,
): Promise<RankedDataSet[]> {
  const found = new Map<string, Place<DirectionRow>[]>();
  for await (const group of checkedGroups<DirectionRow>(
    join(folder, 'directions.parquet'),
    DIRECTION_COLUMNS,
  ))
    for (let at = 0; at < group.length; at++) {
      const dataSet = group.cell('data_set', at);
      const own = found.get(dataSet);
      if (own) own.push({ group, at });
      else found.set(dataSet, [{ group, at }]);
    }
  return [...found].map(([dataSet, places]) => {
    const paired = places.some(({ group, at }) => group.cell('cohens_d', at) !== null);
    const ranking = by ?? (paired ? 'cohens_d' : 'variance');
    const ranked = places
      .map((place) => ({ place, figure: place.group.cell(ranking, place.at) }))
      .flatMap(({ place, figure }) =>
        figure === null ? [] : [{ place, strength: STRENGTH[ranking](figure) }],
      )
      .filter(({ strength }) => Number.isFinite(strength));
    const positions = places[0]!.group.cell('n', places[0]!.at);
    if (ranked.length === 0 && by !== null)
      throw new InputError(
        `--by ${by}: the data set "${dataSet}" has ${positions === 0 ? 'nothing scored' : 'no corrupted prompts, or too few prompts'}; leave --by out`,
      );
    // Sorting is stable: equals stay in the model's order.
    ranked.sort((a, b) => b.strength - a.strength);
    const rows = ranked.slice(0, top).map(({ place: { group, at } }) => group.row(at));
    return { dataSet, by: ranking, positions, rows };
  });
}

/** Examples of some directions of a data set, in the table's order. */
export async function readExamples(
  folder: string,
  wanted: (dataSet: string, direction: string) => boolean,
): Promise<ExampleRow[]> {
  const rows: ExampleRow[] = [];
  for await (const group of checkedGroups<ExampleRow>(join(folder, 'examples.parquet'), EXAMPLE_COLUMNS))
    for (let at = 0; at < group.length; at++)
      if (wanted(group.cell('data_set', at), group.cell('direction', at))) rows.push(group.row(at));
  return rows;
}

/** Directions of all data sets, in the table's order. @throws InputError if there is no such table */
export async function* readDirections(folder: string): AsyncGenerator<DirectionRow> {
  for await (const group of checkedGroups<DirectionRow>(
    join(folder, 'directions.parquet'),
    DIRECTION_COLUMNS,
  ))
    for (let at = 0; at < group.length; at++) yield group.row(at);
}

/** Rows of a group, of which every cell is what its column promises. */
interface CheckedRows<Row> {
  length: number;
  cell<Name extends keyof Row & string>(column: Name, row: number): Row[Name];
  row(at: number): Row;
}

interface Place<Row> {
  group: CheckedRows<Row>;
  at: number;
}

/**
 * A table's row groups.
 * @throws InputError at the first cell that is not what the columns promise; of documents when their row is asked for
 */
async function* checkedGroups<Row>(
  path: string,
  columns: readonly ParquetColumn[],
): AsyncGenerator<CheckedRows<Row>> {
  let before = 0;
  const check = ({ name, type, nullable }: ParquetColumn, cell: unknown, row: number) => {
    const fits =
      cell === null ? nullable : type === 'JSON' ? Array.isArray(cell) : typeof cell === jsType(type);
    if (!fits)
      throw new InputError(
        `${path}: row ${row}: "${name}" is ${describeJson(cell)}; is it a table of scores? Score again`,
      );
  };
  const documents = columns.filter(({ type }) => type === 'JSON');
  for await (const group of readParquetGroups(path)) {
    const first = before + 1;
    const cell = (name: string, row: number) => group.cell(name, row) ?? null;
    for (const column of columns)
      if (column.type !== 'JSON')
        for (let at = 0; at < group.length; at++) check(column, cell(column.name, at), first + at);
    yield {
      length: group.length,
      cell: (name, row) => cell(name, row) as Row[typeof name],
      row: (at) => {
        const row = group.row(at);
        for (const column of documents) check(column, row[column.name] ?? null, first + at);
        return row as Row;
      },
    };
    before += group.length;
  }
}

function jsType(type: ParquetColumn['type']): string {
  if (type === 'STRING') return 'string';
  return type === 'BOOLEAN' ? 'boolean' : 'number';
}
