/** `scores.parquet`: every value, a file a block, a row group a layer of a batch. */
import { type ParquetColumn, type ParquetGroup, writeParquet } from '../formats/parquet-file.js';
import type { ValueType } from '../settings/choices.js';
import { positionOf, promptOf } from './layer-rows.js';
import type { ReadingBasis } from './reading-basis.js';
import type { LayerValues } from './scorer.js';

const COLUMNS = (type: ValueType): ParquetColumn[] => [
  { name: 'data_set', type: 'STRING' },
  { name: 'corrupted', type: 'BOOLEAN' },
  { name: 'line', type: 'INT32', unit: 'line of the data set, from 1' },
  { name: 'position', type: 'INT32', unit: 'token of the prompt, from 0' },
  { name: 'direction_id', type: 'INT32', unit: 'id in directions.parquet' },
  { name: 'value', type: type === 'f32' ? 'FLOAT' : 'FLOAT16', unit: 'as in directions.parquet' },
  { name: 'key_position', type: 'INT32', unit: 'token of the prompt; -1 where there are no keys' },
];

/** Writes the values of one block as they come. */
export async function writeValues(
  path: string,
  dataSet: string,
  bases: readonly ReadingBasis[],
  type: ValueType,
  layers: AsyncIterable<LayerValues>,
): Promise<void> {
  const firstIds: number[] = [];
  let id = 0;
  for (const { units } of bases) {
    firstIds.push(id);
    id += units.length;
  }
  const groups = async function* (): AsyncGenerator<ParquetGroup> {
    for await (const layer of layers) yield groupOf(layer, dataSet, bases, firstIds);
  };
  await writeParquet(path, COLUMNS(type), { schema_version: '1' }, groups());
}

/** Direction by direction, so that equal cells stand together. */
function groupOf(
  { rows, values }: LayerValues,
  dataSet: string,
  bases: readonly ReadingBasis[],
  firstIds: readonly number[],
): ParquetGroup {
  const count = rows.rows;
  const directions = values.reduce((sum, found, basis) => sum + (found ? bases[basis]!.units.length : 0), 0);
  const total = count * directions;
  const [line, position, id] = [new Int32Array(total), new Int32Array(total), new Int32Array(total)];
  const [value, key] = [new Float32Array(total), new Int32Array(total).fill(-1)];
  let at = 0;
  values.forEach((found, basis) => {
    if (!found) return;
    const n = bases[basis]!.units.length;
    for (let k = 0; k < n; k++)
      for (let row = 0; row < count; row++, at++) {
        line[at] = promptOf(rows, row);
        position[at] = positionOf(rows, row);
        id[at] = firstIds[basis]! + k;
        value[at] = found.values[row * n + k]!;
        if (found.keys) key[at] = found.keys[row * n + k]!;
      }
  });
  const corrupted = rows.side === 'corrupted';
  return [
    new Array<string>(total).fill(dataSet),
    new Array<boolean>(total).fill(corrupted),
    line,
    position,
    id,
    value,
    key,
  ];
}
