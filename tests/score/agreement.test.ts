/** Every statistic against a direct, slow computation from all values, on the embedded model. */
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { readParquetRows } from '../../src/formats/parquet-file.js';
import { openTokenizer } from '../../src/formats/tokenizer.js';
import { packageFile } from '../../src/package-file.js';
import { NEAR_ZERO, QUANTILE_ERROR } from '../../src/score/direction-figures.js';
import { type DirectionRow, type ExampleRow, writeTables } from '../../src/score/tables.js';
import { generateTask } from '../../src/tasks/tasks.js';
import { describeOnEngines } from '../support/engines.js';
import { openForTest } from '../support/open-model.js';
import { openScoring, passage, type Read, readAll, SIZES } from '../support/scoring.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const folder = temporaryFolder();
const QUANTILES = [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99];

describeOnEngines('statistics of the embedded model', (engine) => {
  for (const [positions, pairs] of [
    ['last', 250],
    ['all', 16],
  ] as const)
    it(`agree with all values kept, positions ${positions}`, async () => {
      const path = packageFile('models/embedded');
      const tokenizer = await openTokenizer(path);
      const { splits } = generateTask('ioi', {
        tokenizer,
        seed: 1,
        counts: { train: pairs, validation: 1, test: 1 },
      });
      const scoring = await openScoring(engine(), await openForTest(path), { positions });
      const passages = (side: 'clean' | 'corrupted') =>
        splits.train.map((pair, i) => passage(i + 1, tokenizer.encode(pair[side] as string), positions));
      const clean = await readAll(scoring, 'clean', passages('clean'));
      const corrupted = await readAll(scoring, 'corrupted', passages('corrupted'));
      const states = await scoring.readers.save();
      await scoring.close();

      const paths = {
        directions: join(folder, `${engine().name}-${positions}-directions.parquet`),
        examples: join(folder, `${engine().name}-${positions}-examples.parquet`),
      };
      const load = async function* () {
        yield { name: 'ioi', states };
      };
      const { directions } = scoring;
      await writeTables(paths, load, { directions, masks: null, sizes: SIZES, tokenizer, metadata: {} });

      const examples = new Map<string, ExampleRow[]>();
      for await (const row of readParquetRows(
        paths.examples,
      ) as AsyncGenerator<unknown> as AsyncGenerator<ExampleRow>)
        examples.set(row.direction, [...(examples.get(row.direction) ?? []), row]);
      let at = 0;
      for await (const row of readParquetRows(
        paths.directions,
      ) as AsyncGenerator<unknown> as AsyncGenerator<DirectionRow>) {
        const [first, second] = [clean[at]!, corrupted[at]!];
        expect(row.direction).toBe(`${directions[at]!.component.name}.${directions[at]!.index}`);
        checkSide(row, first, '');
        checkSide(row, second, '_corrupted');
        checkDifferences(row, values(first), values(second));
        checkExamples(examples.get(row.direction)!, first, positions);
        at++;
      }
      expect(at).toBe(780);
    });
});

function values(read: readonly Read[]): number[] {
  return read.map(({ value }) => value);
}

function moments(x: readonly number[]): { mean: number; variance: number } {
  const mean = x.reduce((sum, value) => sum + value, 0) / x.length;
  return { mean, variance: x.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (x.length - 1) };
}

/** Within a millionth, counted in standard deviations where a mean is close to zero. */
function checkSide(row: DirectionRow, read: readonly Read[], suffix: '' | '_corrupted'): void {
  const x = values(read);
  const sorted = [...x].sort((a, b) => a - b);
  const { mean, variance } = moments(x);
  const where = `${row.direction}${suffix}`;
  expect(row[`n${suffix}`], where).toBe(x.length);
  expect(Math.abs(row[`mean${suffix}`]! - mean), where).toBeLessThanOrEqual(
    1e-6 * Math.max(Math.abs(mean), Math.sqrt(variance)),
  );
  // Values are kept to 2⁻³⁶ σ: where they hardly differ from each other, that is what can be known.
  const kept = 2 ** -36 * row.sigma;
  expect(Math.abs(row[`variance${suffix}`]! - variance), where).toBeLessThanOrEqual(
    1e-6 * variance + 2 * kept * Math.sqrt(variance) + kept ** 2 + 1e-15 * mean ** 2,
  );
  expect(row[`min${suffix}`], where).toBe(sorted[0]);
  expect(row[`max${suffix}`], where).toBe(sorted.at(-1));
  const largest = Math.max(Math.abs(sorted[0]!), Math.abs(sorted.at(-1)!));
  for (const q of QUANTILES) {
    const exact = sorted[Math.max(1, Math.ceil(q * x.length)) - 1]!;
    const name = `q${String(Math.round(100 * q)).padStart(2, '0')}${suffix}` as 'q50';
    const bound = Math.max(QUANTILE_ERROR * Math.abs(exact), NEAR_ZERO * largest);
    expect(Math.abs(row[name]! - exact), `${where} ${name}`).toBeLessThanOrEqual(bound);
  }
}

function checkDifferences(row: DirectionRow, a: number[], b: number[]): void {
  const [first, second] = [moments(a), moments(b)];
  const pooled = Math.sqrt(
    ((a.length - 1) * first.variance + (b.length - 1) * second.variance) / (a.length + b.length - 2),
  );
  const scale = Math.max(Math.abs(first.mean), Math.abs(second.mean), pooled);
  expect(Math.abs(row.mean_difference! - (first.mean - second.mean))).toBeLessThanOrEqual(2e-6 * scale);
  if (pooled > 1e-6 * scale)
    expect(Math.abs(row.cohens_d! - (first.mean - second.mean) / pooled), row.direction).toBeLessThanOrEqual(
      (4e-6 * scale) / pooled,
    );
  let above = 0;
  for (const x of a) for (const y of b) above += x > y ? 1 : x === y ? 0.5 : 0;
  expect(Math.abs(row.auroc! - above / (a.length * b.length)), row.direction).toBeLessThanOrEqual(
    row.auroc_error! + 1e-12,
  );
}

function checkExamples(rows: readonly ExampleRow[], read: readonly Read[], positions: 'last' | 'all'): void {
  for (const [end, sign] of [
    ['top', 1],
    ['bottom', -1],
  ] as const) {
    const ranked = [...read].sort(
      (a, b) => sign * (b.value - a.value) || a.prompt - b.prompt || a.position - b.position,
    );
    const once = ranked.filter((one, i) => ranked.findIndex(({ prompt }) => prompt === one.prompt) === i);
    const found = rows.filter((row) => row.end === end);
    expect(
      found.map(({ line, position, value, key_position }) => [line, position, value, key_position ?? -1]),
    ).toEqual(
      once.slice(0, SIZES.examples).map(({ prompt, position, value, key }) => [prompt, position, value, key]),
    );
    for (const { line, position, context_values, context } of found) {
      const expected = Array.from({ length: context.length }, (_, i) => {
        const at = position - context.length + 1 + i;
        const scored = positions === 'all' || at === position;
        return scored ? read.find((one) => one.prompt === line && one.position === at)!.value : null;
      });
      expect(context_values).toEqual(expected);
    }
  }
}
