/** `sweep.parquet`: the rows of `sweep.json` as a table with typed columns. */
import { type ParquetColumn, writeParquet } from '../formats/parquet-file.js';

export type Cell = string | number | boolean | null;

/** A column is of numbers or of truth values where all its cells are; else of text, `l1` for instance, which may be `auto`. */
export async function writeRows(path: string, rows: readonly Record<string, Cell>[]): Promise<void> {
  const names = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const columns = names.map((name): ParquetColumn & { cells: Cell[] } => {
    const cells = rows.map((row) => row[name] ?? null);
    const type = typeOf(cells);
    return {
      name,
      type,
      nullable: true,
      cells: type === 'STRING' ? cells.map((cell) => (cell === null ? null : String(cell))) : cells,
    };
  });
  await writeParquet(path, columns, { format: 'orthoscope-sweep', schema_version: '1' }, [
    columns.map(({ cells }) => cells),
  ]);
}

function typeOf(cells: readonly Cell[]): ParquetColumn['type'] {
  const kinds = new Set(cells.filter((cell) => cell !== null).map((cell) => typeof cell));
  if (kinds.size !== 1) return 'STRING';
  if (kinds.has('number')) return 'DOUBLE';
  return kinds.has('boolean') ? 'BOOLEAN' : 'STRING';
}
