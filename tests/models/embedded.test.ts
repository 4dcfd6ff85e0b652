/** The embedded model as it is committed: its files, and what it can do. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { scoreHeldOut, shortfall } from '../../models/score-held-out.js';
import { openEngine } from '../../src/engine/engine.js';
import { readJson } from '../../src/formats/json-file.js';
import { openTokenizer } from '../../src/formats/tokenizer.js';
import { openModel } from '../../src/models/open-model.js';
import { packageFile } from '../../src/package-file.js';
import { taskVocabulary } from '../../src/tasks/vocabulary.js';
import { wordTokenizer } from '../../src/tasks/word-tokenizer.js';

const FOLDER = packageFile('models/embedded');

/** Enough to tell 99 % from 97 %, and few enough for wasm. */
const PROMPTS = 300;

describe('files of the embedded model', () => {
  it('take at most 4 MB in all', () => {
    const sizes = readdirSync(FOLDER).map((file) => statSync(join(FOLDER, file)).size);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThanOrEqual(4e6);
  });

  it('are under the MIT licence', async () => {
    expect(readFileSync(join(FOLDER, 'README.md'), 'utf8')).toContain('Licence: MIT');
    expect((await readJson(join(FOLDER, 'recipe.json'))).licence).toBe('MIT');
  });

  it('hold a model of the shape in the recipe', async () => {
    const { shape } = await readJson(join(FOLDER, 'recipe.json'));
    const { architecture, close } = await openModel(FOLDER);
    await close();
    const { nLayers, nHeads, dModel, dMlp, nVocab, nPositions } = architecture;
    expect(shape).toEqual({
      layers: nLayers,
      heads: nHeads,
      dModel,
      dMlp,
      vocabulary: nVocab,
      positions: nPositions,
    });
  });

  it('hold the tokenizer of the words that tasks use now, each one token', async () => {
    expect(await readJson(join(FOLDER, 'tokenizer.json'))).toEqual(wordTokenizer(taskVocabulary()));
    const tokenizer = await openTokenizer(FOLDER);
    for (const word of taskVocabulary()) {
      const ids = tokenizer.encode(word);
      expect(ids, word).toHaveLength(1);
      expect(ids, word).not.toContain(tokenizer.unknownId);
    }
  });
});

describe('the embedded model on held-out prompts', () => {
  it('solves every task, as its recipe says', { timeout: 120_000 }, async () => {
    const scores = await scoreHeldOut(FOLDER, await openEngine({ engine: 'wasm' }), PROMPTS);
    expect(shortfall(scores)).toBeNull();
    expect(shortfall((await readJson(join(FOLDER, 'recipe.json'))).scores as typeof scores)).toBeNull();
    // Corrupted prompts are prompts, too: the replaced parts of a circuit come from how the model reads them.
    expect(scores['gendered-pronoun']!.corrupted.accuracy).toBeGreaterThanOrEqual(0.99);
    expect(scores['greater-than']!.corrupted.probability_difference).toBeGreaterThanOrEqual(0.9);
    expect(scores.ioi!.corrupted.accuracy).toBeGreaterThanOrEqual(0.9);
  });
});
