import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { InputError } from '../../src/errors.js';
import { resolveModel } from '../../src/formats/model-folder.js';
import { openTokenizer } from '../../src/formats/tokenizer.js';
import { packageFile } from '../../src/package-file.js';
import { loadData } from '../../src/run/data.js';
import type { Subject } from '../../src/run/subject.js';
import type { Given } from '../../src/settings/commands.js';
import { complete } from '../../src/settings/complete.js';
import { openForTest } from '../support/open-model.js';
import { writeRandomGpt2 } from '../support/random-gpt2.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const folder = temporaryFolder();
let subject: Subject;

beforeAll(async () => {
  await writeRandomGpt2(join(folder, 'model'), {});
  const path = join(folder, 'model');
  subject = { source: await resolveModel(path), model: await openForTest(path), tokenizer: null };
});

function pairsFile(name: string, count: number): string {
  const path = join(folder, name);
  const lines = Array.from({ length: count }, (_, i) =>
    JSON.stringify({ clean_ids: [i % 17, Math.floor(i / 17)] }),
  );
  writeFileSync(path, lines.join('\n'));
  return path;
}

/** Settings of prompts, as `run` has them. */
const asked = (given: Given<'run'>) => complete('run', given);

const ALL = ['train', 'validation', 'test'] as const;

it('cuts one file into three by seed, without loss or overlap', async () => {
  const data = pairsFile('all.jsonl', 40);
  const request = asked({ data, seed: 1 });
  const { splits, described } = await loadData(subject, request, ALL);
  expect(ALL.map((split) => splits[split]!.length)).toEqual([28, 6, 6]);
  const prompts = ALL.flatMap((split) => splits[split]!.map(({ clean }) => clean.join(' ')));
  expect(new Set(prompts).size).toBe(40);
  expect(described.train).toMatchObject({ pairs: 28, source: 'all.jsonl' });
  const again = await loadData(subject, request, ALL);
  expect(again.described).toEqual(described);
  const other = await loadData(subject, { ...request, seed: 2 }, ALL);
  expect(other.described.train!.hash).not.toBe(described.train!.hash);
});

it('leaves a file whole for a command that needs one split, or has files for the others', async () => {
  const data = pairsFile('train.jsonl', 9);
  expect((await loadData(subject, asked({ data }), ['test'])).splits.test).toHaveLength(9);
  const request = asked({ data, validation: pairsFile('v.jsonl', 3), test: pairsFile('t.jsonl', 2) });
  const { splits } = await loadData(subject, request, ALL);
  expect(ALL.map((split) => splits[split]!.length)).toEqual([9, 3, 2]);
});

it('gives every split a pair even where there are few', async () => {
  const { splits } = await loadData(subject, asked({ data: pairsFile('few.jsonl', 3) }), ALL);
  expect(ALL.map((split) => splits[split]!.length)).toEqual([1, 1, 1]);
});

it('says how prompts begin', async () => {
  const path = packageFile('models/embedded');
  const embedded: Subject = {
    source: await resolveModel(path),
    model: await openForTest(path),
    tokenizer: await openTokenizer(path),
  };
  const request = asked({ task: 'ioi', trainPairs: 2, validationPairs: 1, testPairs: 1 });
  const { notes } = await loadData(embedded, request, ALL);
  expect(notes).toContain('prompts begin without a beginning-of-text token');
});

it('refuses too few pairs, two sources, none, and a task without a tokenizer', async () => {
  const load = (request: Given<'run'>) => loadData(subject, asked(request), ALL);
  for (const [request, message] of [
    [{ data: pairsFile('two.jsonl', 2) }, /2 pairs cannot be cut/],
    [{ data: 'x.jsonl', task: 'ioi' }, /choose one/],
    [{}, /--task NAME or --data FILE/],
    [{ task: 'ioi' }, /no tokenizer.json/],
  ] as const) {
    await expect(load(request)).rejects.toThrow(InputError);
    await expect(load(request)).rejects.toThrow(message);
  }
});
