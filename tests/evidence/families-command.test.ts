/** `families` on a short run over two tasks at once. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { familiesText } from '../../cli/commands/families.js';
import { families } from '../../src/commands/families.js';
import { run } from '../../src/commands/run.js';
import { writeTaskFiles } from '../../src/commands/task.js';
import { readFamilies } from '../../src/evidence/families-file.js';
import { readPromptPairs, writePromptPairs } from '../../src/formats/prompt-pairs.js';
import { readMasks } from '../../src/masks/masks-file.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const folder = temporaryFolder();
process.env.ORTHOSCOPE_CACHE = join(folder, 'cache');
const SIZES = { trainPairs: 12, validationPairs: 6, testPairs: 10 };

beforeAll(async () => {
  const pairs: Record<string, Awaited<ReturnType<typeof readPromptPairs>>> = {};
  for (const name of ['ioi', 'gendered-pronoun'] as const) {
    const out = join(folder, name);
    await writeTaskFiles({ model: 'embedded', task: name, ...SIZES, out });
    for (const split of ['train', 'validation', 'test'])
      pairs[split] = [
        ...(pairs[split] ?? []),
        ...(await readPromptPairs(join(out, `${split}.jsonl`))).map((pair) => ({
          ...pair,
          id: `${name} ${pair.id}`,
          group: name,
        })),
      ];
  }
  for (const [split, both] of Object.entries(pairs))
    await writePromptPairs(join(folder, `${split}.jsonl`), both);
  await run({
    model: 'embedded',
    data: join(folder, 'train.jsonl'),
    validation: join(folder, 'validation.jsonl'),
    test: join(folder, 'test.jsonl'),
    ...{ steps: 14, roundingSteps: 3, l1: 0.01, controlSeeds: 0, attack: 0, pagePrompts: 0, engine: 'wasm' },
    out: join(folder, 'run'),
  });
}, 240_000);

it('tells two tasks apart, and measures a circuit of each beside the one of both', async () => {
  const { families: found, file, report } = await families({ run: join(folder, 'run'), engine: 'wasm' });
  expect(JSON.parse(JSON.stringify(await readFamilies(file)))).toEqual(JSON.parse(JSON.stringify(found)));
  expect(found.measured.prompts).toEqual({ train: 24, validation: 12, test: 20 });
  expect(found.groups!.test.purity).toBe(1);
  expect(found.groups!.each.map(({ group, joint }) => [group, joint.size])).toEqual([
    ['ioi', found.joint.size],
    ['gendered-pronoun', found.joint.size],
  ]);
  expect(found.silhouettes.map(({ families }) => families)).toEqual([2, 3, 4, 5, 6, 7, 8]);
  for (const parts of [found.families, found.random]) {
    expect(parts.reduce((sum, { prompts }) => sum + prompts.train, 0)).toBe(24);
    // The one circuit on the parts of the prompts is the one circuit on all of them.
    const kl = parts.reduce((sum, { joint, prompts }) => sum + (joint?.kl ?? 0) * prompts.test, 0) / 20;
    expect(kl).toBeCloseTo(found.joint.kl, 9);
  }
  expect(found.random.map(({ prompts }) => prompts)).toEqual(found.families.map(({ prompts }) => prompts));
  const { together } = found;
  const means = found.families.reduce((sum, { own, prompts }) => sum + (own?.kl ?? 0) * prompts.test, 0) / 20;
  expect(together.families.kl).toBeCloseTo(means, 9);
  expect(together.difference.kl).toBeCloseTo(together.families.kl - together.random.kl, 9);
  expect(together.families.above_joint.kl).toBeCloseTo(together.families.kl - found.joint.kl, 9);
  const { values } = await readMasks(join(folder, 'run/families/family-1.safetensors'));
  const kept = [...values.values()].reduce((sum, masks) => sum + masks.reduce((a, b) => a + b, 0), 0);
  expect(kept).toBe(found.families[0]!.own!.size);
  for (const line of familiesText(found).split('\n').slice(2, -2)) expect(line.length).toBeLessThan(160);
  const page = readFileSync(report!, 'utf8');
  expect(page).toContain('<h2 id="families">Families of prompts</h2>');
  expect(page).toContain(`family ${found.families.length}`);
}, 240_000);

it('does as it is asked, and the same again', async () => {
  const before = await readFamilies(join(folder, 'run/families.json'));
  const asked = before.families.length;
  const { families: again } = await families({ run: join(folder, 'run'), families: asked, engine: 'wasm' });
  expect([again.asked, again.silhouettes.length]).toEqual([asked, 1]);
  const { families: found, random, together, groups } = JSON.parse(JSON.stringify(again));
  expect({ families: found, random, together, groups }).toEqual({
    families: before.families,
    random: before.random,
    together: before.together,
    groups: before.groups,
  });
}, 240_000);

it('says in one line what it cannot do', async () => {
  await expect(families({ run: 'embedded' })).rejects.toThrow('which "orthoscope run" makes');
  await expect(families({ run: join(folder, 'run'), families: 30, engine: 'wasm' })).rejects.toThrow(
    '24 training prompts make no 30 families',
  );
});
