/** The tables of scoring straight from the states: rows one by one, each figure by itself, documents as lists. */
import { Slot, State } from '../../assembly/layout.js';
import { type ParquetColumn, type ParquetGroup, writeParquet } from '../../src/formats/parquet-file.js';
import { cohensD, keyFiguresOf, momentsOf } from '../../src/score/direction-figures.js';
import { NO_EXAMPLES, slotBytes, stateBytes, unitOf } from '../../src/score/statistics-state.js';
import {
  DIRECTION_COLUMNS,
  EXAMPLE_COLUMNS,
  type ScoredDataSet,
  type TableContext,
} from '../../src/score/tables.js';

type Row = Record<string, unknown>;

/** @param metadata of both files, as `writeTables` writes it */
export async function writeReferenceTables(
  paths: { directions: string; examples: string },
  dataSets: readonly ScoredDataSet[],
  context: TableContext,
  metadata: Record<string, string>,
): Promise<void> {
  const all = context.directions.map((_, at) => at);
  const directions = dataSets.map((dataSet) => all.map((at) => directionRow(dataSet, at, context)));
  // A row group of examples holds those of 4,096 directions.
  const examples = dataSets.flatMap((dataSet) =>
    all
      .filter((at) => at % 4096 === 0)
      .map((from) => all.slice(from, from + 4096).flatMap((at) => exampleRows(dataSet, at, context))),
  );
  const columns = EXAMPLE_COLUMNS.map(({ spelt: _, ...column }) => column);
  await writeParquet(
    paths.directions,
    DIRECTION_COLUMNS,
    metadata,
    directions.map((rows) => groupOf(DIRECTION_COLUMNS, rows)),
  );
  await writeParquet(
    paths.examples,
    columns,
    metadata,
    examples.map((rows) => groupOf(columns, rows)),
  );
}

function groupOf(columns: readonly ParquetColumn[], rows: readonly Row[]): ParquetGroup {
  return columns.map(({ name, type }) =>
    rows.map((row) => (type === 'INT64' ? BigInt(row[name] as number) : row[name])),
  ) as ParquetGroup;
}

function directionRow({ name, states }: ScoredDataSet, at: number, context: TableContext): Row {
  const { directions, masks, sizes } = context;
  const { component, index, sigma, clustered } = directions[at]!;
  const unit = unitOf(sigma);
  const clean = stateAt(states.clean, at, stateBytes(sizes));
  const corrupted = stateAt(states.corrupted, at, stateBytes(NO_EXAMPLES));
  const [first, second] = [momentsOf(clean, unit), momentsOf(corrupted, unit)];
  const pairs = separation(clean, corrupted);
  const keys = component.kind === 'qk' && first.count > 0 ? keyFiguresOf(clean, unit) : null;
  return {
    data_set: name,
    id: at,
    direction: `${component.name}.${index}`,
    component: component.name,
    kind: component.kind,
    layer: component.layer,
    head: component.head ?? null,
    index,
    sigma,
    mask: masks ? masks[at]! : null,
    clustered,
    ...sideFigures(clean, unit, ''),
    ...sideFigures(corrupted, unit, '_corrupted'),
    mean_difference: second.count > 0 ? known(first.mean - second.mean) : null,
    cohens_d: second.count > 0 ? cohensD(first, second) : null,
    auroc: pairs?.auroc ?? null,
    auroc_error: pairs?.error ?? null,
    key_distance: keys?.distance ?? null,
    key_share: keys?.share ?? null,
  };
}

function sideFigures(state: DataView, unit: number, suffix: string): Row {
  const { count, mean, variance } = momentsOf(state, unit);
  const [min, max] = [state.getFloat32(State.MIN, true), state.getFloat32(State.MAX, true)];
  const figures: Row = { n: count, mean, variance, min, max };
  for (const percent of [1, 5, 25, 50, 75, 95, 99])
    figures[`q${String(percent).padStart(2, '0')}`] = quantile(buckets(state), percent / 100, min, max);
  return Object.fromEntries(
    Object.entries(figures).map(([name, value]) => [`${name}${suffix}`, known(value as number)]),
  );
}

/** A histogram's bucket: floats that share sign, exponent and four bits of the fraction, or those near zero. */
interface Bucket {
  /** −1, 0 or 1. */
  sign: number;
  /** The leading 13 bits of its floats, without the sign. */
  magnitude: number;
  count: number;
}

/** Ascending. */
function buckets(state: DataView): Bucket[] {
  const lowest = state.getInt32(State.TOP, true) - State.MAGNITUDES + 1;
  const side = (sign: number, from: number): Bucket[] =>
    Array.from({ length: State.MAGNITUDES }, (_, i) => ({
      sign,
      magnitude: lowest + i,
      count: state.getUint32(from + 4 * i, true),
    }));
  const near = { sign: 0, magnitude: 0, count: state.getUint32(State.NEAR_ZERO, true) };
  return [...side(-1, State.NEGATIVE).reverse(), near, ...side(1, State.POSITIVE)];
}

function total(all: readonly Bucket[]): number {
  return all.reduce((sum, { count }) => sum + count, 0);
}

function quantile(all: readonly Bucket[], q: number, min: number, max: number): number {
  const n = total(all);
  if (n === 0) return Number.NaN;
  const rank = Math.max(1, Math.ceil(q * n));
  if (rank === 1) return min;
  if (rank === n) return max;
  const at = all.findIndex((_, i) => total(all.slice(0, i + 1)) >= rank);
  return Math.min(max, Math.max(min, middleOf(all[at]!)));
}

function middleOf({ sign, magnitude }: Bucket): number {
  if (sign === 0 || magnitude < 0) return 0;
  const float = (bits: number) => new Float32Array(new Uint32Array([bits]).buffer)[0]!;
  return (sign * (float(magnitude << 19) + float((magnitude + 1) << 19))) / 2;
}

/** Every bucket against every other one; those below the wider window are near zero in both. */
function separation(first: DataView, second: DataView): { auroc: number; error: number } | null {
  const top = Math.max(first.getInt32(State.TOP, true), second.getInt32(State.TOP, true));
  const [a, b] = [first, second].map((state) => {
    const counts = new Map<number, number>();
    for (const { sign, magnitude, count } of buckets(state)) {
      const place = Math.max(0, magnitude - (top - State.MAGNITUDES));
      const key = sign * place;
      counts.set(key, (counts.get(key) ?? 0) + count);
    }
    return [...counts].filter(([, count]) => count > 0);
  }) as [[number, number][], [number, number][]];
  const pairs = (which: (x: number, y: number) => boolean) =>
    a.reduce((sum, [x, n]) => sum + b.reduce((own, [y, m]) => (which(x, y) ? own + n * m : own), 0), 0);
  const both = pairs(() => true);
  if (both === 0) return null;
  const same = pairs((x, y) => x === y);
  return { auroc: (pairs((x, y) => x > y) + same / 2) / both, error: same / 2 / both };
}

function exampleRows({ name, states }: ScoredDataSet, at: number, context: TableContext): Row[] {
  const { directions, sizes, tokenizer } = context;
  const { component, index } = directions[at]!;
  const state = stateAt(states.clean, at, stateBytes(sizes));
  const spell = (id: number) => (tokenizer ? tokenizer.token(id) : String(id));
  const rows: Row[] = [];
  for (let i = 0; i < 2 * sizes.examples; i++) {
    const slot = State.EXAMPLES + i * slotBytes(sizes);
    const prompt = state.getUint32(slot + Slot.PROMPT, true);
    if (prompt === Slot.EMPTY) continue;
    const words = Array.from({ length: sizes.context }, (_, k) => slot + Slot.CONTEXT + 4 * k);
    const ids = words.map((place) => state.getInt32(place, true));
    const values = words.map((place) => state.getFloat32(place + 4 * sizes.context, true));
    const start = ids.findIndex((id) => id >= 0);
    const [value, key] = [
      state.getFloat32(slot + Slot.VALUE, true),
      state.getInt32(slot + Slot.KEY, true),
    ] as const;
    rows.push({
      data_set: name,
      direction: `${component.name}.${index}`,
      end: i < sizes.examples ? 'top' : 'bottom',
      rank: 1 + (i % sizes.examples),
      line: prompt,
      position: state.getInt32(slot + Slot.POSITION, true),
      value,
      token: spell(ids.at(-1)!),
      context: ids.slice(start).map(spell),
      context_values: values.slice(start).map(known),
      key_position: key < 0 ? null : key,
      key_share: key < 0 ? null : known(value / state.getFloat32(slot + Slot.LOGIT, true)),
    });
  }
  return rows;
}

function stateAt(states: Uint8Array, at: number, bytes: number): DataView {
  return new DataView(states.buffer, states.byteOffset + at * bytes, bytes);
}

function known(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}
