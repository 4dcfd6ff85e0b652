/** `align` on the embedded model, shortened. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { alignmentText } from '../../cli/commands/align.js';
import { align } from '../../src/commands/align.js';
import { run } from '../../src/commands/run.js';
import { loadData } from '../../src/run/data.js';
import { withSubject } from '../../src/run/subject.js';
import { openWorkbench, workload } from '../../src/run/workbench.js';
import { complete } from '../../src/settings/complete.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const folder = temporaryFolder();
process.env.ORTHOSCOPE_CACHE = join(folder, 'cache');
const given = {
  task: 'ioi',
  trainPairs: 64,
  validationPairs: 12,
  testPairs: 24,
  steps: 20,
  roundingSteps: 4,
  controlSeeds: 0,
  attack: 0,
  pagePrompts: 0,
  engine: 'wasm',
  out: join(folder, 'run'),
} as const;

beforeAll(async () => {
  await run(given);
}, 240_000);

it('learns subspaces that keep no less than the singular directions it also begins with, and writes them as a basis that does the same', async () => {
  const { alignment, basisFile, file } = await align({
    ...{ run: given.out, in: ['L2H3.ov', 'L2H2.ov'], size: 1, alignSteps: 15, alignDraws: 2 },
    engine: 'wasm',
  });
  expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual(JSON.parse(JSON.stringify(alignment)));
  const [head] = alignment.components;
  const { kl } = alignment;
  expect(head).toMatchObject({ component: 'L2H3.ov', size: 1, span: 17 });
  expect(kl.learned).toBeLessThanOrEqual(kl.top_sigma);
  expect(kl.top_sigma).toBeLessThan(kl.nothing);
  expect(kl.learned).toBeLessThan(kl.random);
  expect(head!.shared.top_sigma.angles).toHaveLength(1);
  expect(head!.shared.top_sigma.dimensions).toBeGreaterThan(head!.shared.top_sigma.chance);
  for (const line of alignmentText(alignment).split('\n').slice(2, -1))
    expect(line.length).toBeLessThanOrEqual(90);

  const settings = complete('run', { ...given, model: 'embedded', basis: 'loaded', basisFile });
  await withSubject('embedded', settings, async (subject) => {
    const data = await loadData(subject, settings, ['train', 'test']);
    const { runner } = await openWorkbench(subject, workload(data, 32), settings);
    const test = await runner.prepare(data.splits.test!, {
      replacement: settings.replacement,
      seed: settings.seed,
    });
    const masks = new Float32Array(runner.layout.size).fill(1);
    for (const { component } of alignment.components) {
      const own = runner.layout.components.find(({ name }) => name === component)!;
      const { start, length } = runner.layout.of(own);
      masks.fill(0, start + 1, start + length);
    }
    expect(await test.kl(masks)).toBeCloseTo(kl.learned, 4);
    await runner.close();
  });
}, 240_000);

it('takes the component of which the circuit keeps most, and as many dimensions as directions', async () => {
  const { alignment } = await align({ run: given.out, alignSteps: 2, alignDraws: 1, engine: 'wasm' });
  const [one] = alignment.components;
  expect(alignment.components).toHaveLength(1);
  expect(one!.shared.circuit!.directions).toBe(one!.size);
  expect(alignment.kl.learned).toBeLessThan(alignment.kl.nothing);
}, 240_000);

it('says in one line what it cannot align', async () => {
  const asked = { run: given.out, engine: 'wasm' } as const;
  await expect(align({ ...asked, in: ['L9H9.ov'] })).rejects.toThrow(/no masks of it; its components are/);
  await expect(align({ ...asked, in: ['L2H3.ov'], size: 99 })).rejects.toThrow(/give --size/);
  await expect(align({ run: 'embedded' })).rejects.toThrow(/learned in a run/);
});
