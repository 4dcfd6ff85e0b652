/** What is read from the forward pass against the definitions, in float64 and plain loops. */
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { Random } from '../../src/random.js';
import { describeOnEngines } from '../support/engines.js';
import { openForTest } from '../support/open-model.js';
import { ROTARY_FAMILIES, type RotaryFamily, writeRandomFamily } from '../support/random-family.js';
import { writeRandomGpt2 } from '../support/random-gpt2.js';
import { referenceCoefficients } from '../support/reference-coefficients.js';
import { openScoring, passage, readAll } from '../support/scoring.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const folder = temporaryFolder();

const VOCABULARY = 17;
const SMALL_FAMILY = {
  layers: 2,
  kvHeads: 2,
  group: 2,
  planes: 3,
  dModel: 14,
  dMlp: 20,
  vocabulary: VOCABULARY,
  biased: true,
  seed: 4,
};

describeOnEngines('coefficients', (engine) => {
  const cases = ['gpt2', ...ROTARY_FAMILIES].flatMap((family) =>
    (['last', 'all'] as const).flatMap((positions) =>
      [0, 9].map((beginning) => [family, positions, beginning] as const),
    ),
  );
  for (const [family, positions, beginning] of cases)
    it(`are those of the definitions: ${family}, positions ${positions}, first ${beginning} tokens alike`, async () => {
      const path = join(folder, `${engine().name}-${family}-${positions}-${beginning}`);
      if (family === 'gpt2') await writeRandomGpt2(path, { vocabulary: VOCABULARY, maxPositions: 24 });
      else await writeRandomFamily(path, { ...SMALL_FAMILY, family: family as RotaryFamily });
      const model = await openForTest(path);
      const scoring = await openScoring(engine(), model, { positions });
      const random = new Random(3);
      const tokens = (length: number) => Array.from({ length }, () => random.integer(VOCABULARY));
      const common = tokens(beginning);
      const prompts = [5, 1, 12, 7, 3].map((length) => Int32Array.from([...common, ...tokens(length)]));
      const passages = prompts.map((ids, i) => passage(i + 1, ids, positions));
      // As where an answer is scored: from some token on, which may lie in what all have in common or behind it.
      passages.forEach((each, i) => {
        if (positions === 'all' && beginning > 0) each.from = 3 * i;
      });
      const read = await readAll(scoring, 'clean', passages);
      const expected = prompts.map((ids) => referenceCoefficients(scoring.reference, ids));
      scoring.directions.forEach(({ component, index }, at) => {
        const count = passages.reduce((sum, { ids, from }) => sum + ids.length - from, 0);
        expect(read[at]).toHaveLength(count);
        for (const { prompt, position, value, key } of read[at]!) {
          const wanted = expected[prompt - 1]!.get(component.name)![position]![index]!;
          expect(Math.abs(value - wanted.value), `${component.name}.${index}`).toBeLessThan(
            2e-5 * (1 + Math.abs(wanted.value)),
          );
          // Keys that are equally strong but for rounding may be taken for one another.
          if (component.kind === 'qk' && key !== wanted.key)
            expect(Math.abs(wanted.scores![key]!)).toBeGreaterThan(Math.abs(wanted.value) - 1e-5);
        }
      });
      await scoring.close();
    });
});
