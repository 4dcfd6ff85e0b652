/** Reads the tables of a scoring folder back, and ranks directions. */
import { join } from 'node:path';
import { InputError } from '../errors.js';
import { describeJson } from '../formats/json-file.js';
import { type ParquetColumn, readParquetRows } from '../formats/parquet-file.js';
import type { Ranking } from '../settings/choices.js';
import { DIRECTION_COLUMNS, type DirectionRow, EXAMPLE_COLUMNS, type ExampleRow } from './tables.js';

/** Figures that directions can be ranked by: the further from the value that means nothing, the higher. */
const STRENGTH: Record<Ranking, (row: DirectionRow) => number> = {
  cohens_d: ({ cohens_d }) => Math.abs(cohens_d ?? Number.NaN),
  auroc: ({ auroc }) => Math.abs((auroc ?? Number.NaN) - 0.5),
  mean_difference: ({ mean_difference }) => Math.abs(mean_difference ?? Number.NaN),
  mean: ({ mean }) => Math.abs(mean ?? Number.NaN),
  variance: ({ variance }) => variance ?? Number.NaN,
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
  const found = new Map<string, DirectionRow[]>();
  for await (const row of readDirections(folder)) {
    const own = found.get(row.data_set) ?? [];
    own.push(row);
    found.set(row.data_set, own);
  }
  return [...found].map(([dataSet, rows]) => {
    const paired = rows.some(({ cohens_d }) => cohens_d !== null);
    const ranking = by ?? (paired ? 'cohens_d' : 'variance');
    const strength = STRENGTH[ranking];
    const ranked = rows.filter((row) => Number.isFinite(strength(row)));
    if (ranked.length === 0 && by !== null)
      throw new InputError(
        `--by ${by}: the data set "${dataSet}" has ${rows[0]!.n === 0 ? 'nothing scored' : 'no corrupted prompts, or too few prompts'}; leave --by out`,
      );
    // Sorting is stable: equals stay in the model's order.
    ranked.sort((a, b) => strength(b) - strength(a));
    return { dataSet, by: ranking, positions: rows[0]!.n, rows: ranked.slice(0, top) };
  });
}

/** Examples of some directions of a data set, in the table's order. */
export async function readExamples(
  folder: string,
  wanted: (dataSet: string, direction: string) => boolean,
): Promise<ExampleRow[]> {
  const rows: ExampleRow[] = [];
  for await (const row of checkedRows<ExampleRow>(join(folder, 'examples.parquet'), EXAMPLE_COLUMNS))
    if (wanted(row.data_set, row.direction)) rows.push(row);
  return rows;
}

/** Directions of all data sets, in the table's order. @throws InputError if there is no such table */
export function readDirections(folder: string): AsyncGenerator<DirectionRow> {
  return checkedRows<DirectionRow>(join(folder, 'directions.parquet'), DIRECTION_COLUMNS);
}

/** Rows that have what the columns promise. @throws InputError at the first that has not */
async function* checkedRows<Row>(path: string, columns: readonly ParquetColumn[]): AsyncGenerator<Row> {
  let number = 0;
  for await (const row of readParquetRows(path)) {
    number++;
    for (const { name, type, nullable } of columns) {
      const cell = row[name] ?? null;
      const fits =
        cell === null ? nullable : type === 'JSON' ? Array.isArray(cell) : typeof cell === jsType(type);
      if (!fits)
        throw new InputError(
          `${path}: row ${number}: "${name}" is ${describeJson(cell)}; is it a table of scores? Score again`,
        );
    }
    yield row as Row;
  }
}

function jsType(type: ParquetColumn['type']): string {
  if (type === 'STRING') return 'string';
  return type === 'BOOLEAN' ? 'boolean' : 'number';
}
