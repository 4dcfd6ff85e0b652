/** The files byte for byte those of a plain reference, and read back row by row. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openTokenizer } from '../../src/formats/tokenizer.js';
import { packageFile } from '../../src/package-file.js';
import { Random } from '../../src/random.js';
import { readDirections, readExamples } from '../../src/score/read-tables.js';
import { NO_EXAMPLES, stateBytes } from '../../src/score/statistics-state.js';
import { type ScoredDataSet, type TableContext, writeTables } from '../../src/score/tables.js';
import { describeOnEngines } from '../support/engines.js';
import { openForTest } from '../support/open-model.js';
import { writeReferenceTables } from '../support/reference-tables.js';
import { openScoring, passage, readAll, SIZES } from '../support/scoring.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const folder = temporaryFolder();
const METADATA = {
  schema_version: '1',
  model: 'embedded',
  quantile_error: `at most ${1 / 32} of the value, or ${2 ** -11} of the largest magnitude`,
};

describeOnEngines('tables of the embedded model', (engine) => {
  it('are byte for byte those made row by row', async () => {
    const path = packageFile('models/embedded');
    const tokenizer = await openTokenizer(path);
    const scoring = await openScoring(engine(), await openForTest(path), { positions: 'all' });
    const random = new Random(3);
    const passages = (first: number, count: number) =>
      Array.from({ length: count }, (_, i) => {
        const length = 1 + random.integer(12);
        return passage(
          first + i,
          Array.from({ length }, () => random.integer(tokenizer.size)),
          'all',
        );
      });
    const dataSets: ScoredDataSet[] = [];
    // Data with and without corrupted prompts, of one value, and of none.
    for (const [name, clean, corrupted] of [
      ['paired', 20, 15],
      ['“alone”\n', 9, 0],
      ['one', 1, 1],
      ['none', 0, 0],
    ] as const) {
      await scoring.readers.clear();
      if (clean > 0) await readAll(scoring, 'clean', passages(1, clean));
      if (corrupted > 0) await readAll(scoring, 'corrupted', passages(1, corrupted));
      dataSets.push({ name, states: await scoring.readers.save() });
    }
    await scoring.close();
    const { directions } = scoring;
    const masks = Float32Array.from(directions, () => random.uniform());
    for (const [name, given] of [
      ['full', { masks, tokenizer }],
      ['bare', { masks: null, tokenizer: null }],
    ] as const) {
      const context: TableContext = { directions, sizes: SIZES, ...given, metadata: { model: 'embedded' } };
      const paths = (by: string) => ({
        directions: join(folder, `${engine().name}-${name}-${by}-directions.parquet`),
        examples: join(folder, `${engine().name}-${name}-${by}-examples.parquet`),
      });
      const [found, expected] = [paths('found'), paths('expected')];
      const load = async function* () {
        yield* dataSets;
      };
      await writeTables(found, load, context);
      await writeReferenceTables(expected, dataSets, context, METADATA);
      for (const table of ['directions', 'examples'] as const)
        expect(
          Buffer.compare(readFileSync(found[table]), readFileSync(expected[table])),
          `${name} ${table}`,
        ).toBe(0);
    }
  });

  it('have one row a data set and direction where there are more than a row group of examples', async () => {
    const path = packageFile('models/embedded');
    const scoring = await openScoring(engine(), await openForTest(path), { positions: 'last' });
    await readAll(scoring, 'clean', [passage(1, [3, 4], 'last'), passage(2, [5], 'last')]);
    const states = await scoring.readers.save();
    await scoring.close();
    // The directions over and over, as many as a larger model has.
    const times = Math.ceil(5000 / scoring.directions.length);
    const repeated = <T>(all: readonly T[]): T[] => Array.from({ length: times }, () => all).flat();
    const directions = repeated(scoring.directions).map((direction, at) => ({ ...direction, index: at }));
    const many = {
      clean: Buffer.concat(repeated([states.clean])),
      corrupted: Buffer.concat(repeated([states.corrupted])),
    };
    expect(many.clean.length).toBe(directions.length * stateBytes(SIZES));
    expect(many.corrupted.length).toBe(directions.length * stateBytes(NO_EXAMPLES));
    const paths = {
      directions: join(folder, 'directions.parquet'),
      examples: join(folder, 'examples.parquet'),
    };
    const context = { directions, sizes: SIZES, masks: null, tokenizer: null, metadata: {} };
    await writeTables(
      paths,
      async function* () {
        yield { name: 'many', states: many };
      },
      context,
    );
    const ids: number[] = [];
    for await (const row of readDirections(folder)) ids.push(row.id);
    expect(ids).toEqual(directions.map((_, at) => at));
    const examples = await readExamples(folder, (_, direction) => direction.endsWith('99'));
    const wanted = directions.filter(({ index }) => index % 100 === 99);
    expect(new Set(examples.map(({ direction }) => direction))).toEqual(
      new Set(wanted.map(({ component, index }) => `${component.name}.${index}`)),
    );
    expect(examples).toHaveLength(4 * wanted.length);
    for (const { context, context_values, position } of examples)
      expect([context.length, context_values.length]).toEqual([position + 1, position + 1]);
  });
});
