/** `verdict` on a run of the embedded model, shortened. */
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { verdictText } from '../../cli/commands/verdict.js';
import { run } from '../../src/commands/run.js';
import { verdict } from '../../src/commands/verdict.js';
import type { Metrics } from '../../src/evaluate/metrics-file.js';
import type { OutsideGroup } from '../../src/evidence/outside-heads.js';
import { LINES, type Line, readVerdict, type Verdict } from '../../src/evidence/verdict-file.js';
import { writeReport } from '../../src/explorer/write-report.js';
import { packageFile } from '../../src/package-file.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const folder = temporaryFolder();
process.env.ORTHOSCOPE_CACHE = join(folder, 'cache');

const SHORT = {
  trainPairs: 32,
  validationPairs: 16,
  testPairs: 40,
  controlSeeds: 0,
  pagePrompts: 0,
  attack: 2,
  steps: 16,
  roundingSteps: 4,
  engine: 'wasm',
} as const;
const QUICK = { draws: 8, setPairs: 8, members: 3, knockouts: 2, permutations: 50, engine: 'wasm' } as const;
/** Trains nothing further. */
const ALONE = { shuffled: false, rival: false } as const;
const ioi = join(folder, 'ioi');
const pronoun = join(folder, 'pronoun');

let metrics: Metrics;
beforeAll(async () => {
  ({ metrics } = await run({ task: 'ioi', out: ioi, ...SHORT }));
  await run({ task: 'gendered-pronoun', out: pronoun, ...SHORT, steps: 6, roundingSteps: 4 });
}, 240_000);

const line = (lines: readonly Line[], id: (typeof LINES)[number]) => lines.find((one) => one.id === id)!;

describe('verdict', () => {
  it('writes the sheet into the run, and onto its page', async () => {
    const groups = packageFile('examples/groups/ioi-embedded.json');
    const outcome = await verdict({ run: ioi, other: pronoun, groups, outside: 2, ...QUICK });
    const written = await readVerdict(join(ioi, 'verdict.json'));
    expect(written).toEqual(JSON.parse(JSON.stringify(outcome.verdict)));
    expect(written.lines.map(({ id }) => id)).toEqual([...LINES]);
    const { binarised, source, hash, attack } = metrics.splits.test!;
    expect(written.measured).toMatchObject({
      source,
      hash,
      masks: metrics.measured.masks,
      prompts: 40,
      prompts_of_sets: 8,
      seed: 0,
    });
    // Its own figures are those of the evaluation.
    expect(written.circuit.kept).toBe(binarised.active);
    expect(written.circuit.kl).toBeCloseTo(binarised.kl!, 6);
    expect(line(written.lines, 'adversary').statistic!.value).toBe(attack!.kl);
    expect(line(written.lines, 'shuffled_weights').outcome).not.toBe('missing');
    const { kept, rival_kept, kl } = line(written.lines, 'rival').numbers;
    expect([kept, rival_kept]).toEqual([binarised.active, binarised.active]);
    expect(kl).toBeCloseTo(binarised.kl!, 6);
    expect(line(written.lines, 'other_task').numbers.kl).toBeCloseTo(binarised.kl!, 6);
    expect(line(written.lines, 'found_again').outcome).toBe('missing');
    const { outside } = line(written.lines, 'head_groups').numbers as { outside: OutsideGroup[] };
    expect(outside.map(({ group, heads }) => [group, heads.length > 0])).toEqual([
      ['looks at the repeated name', true],
      ['looks at the answer', true],
      ['looks at itself', true],
    ]);
    const page = readFileSync(outcome.report!, 'utf8');
    expect(page).toContain(`${outside[0]!.heads[0]!.head} beside looks at the repeated name`);
    expect(page).toContain('<h2 id="verdict">');
    for (const { title } of written.lines) expect(page).toContain(title);
    const text = verdictText(written);
    for (const row of text.split('\n').slice(2)) expect(row.length).toBeLessThanOrEqual(80);
    for (const { title } of written.lines) expect(text).toContain(title);
  }, 240_000);

  it('gives the same sheet again', async () => {
    const before = await readVerdict(join(ioi, 'verdict.json'));
    const { verdict: again } = await verdict({ run: ioi, other: pronoun, ...ALONE, ...QUICK });
    const others = ({ lines }: Verdict) =>
      lines.filter(({ id }) => !['shuffled_weights', 'rival', 'head_groups'].includes(id));
    expect(others(again)).toEqual(others(before));
  }, 240_000);

  it('is not on the page of other masks', async () => {
    const file = join(ioi, 'verdict.json');
    const content = JSON.parse(readFileSync(file, 'utf8'));
    const { writeJson } = await import('../../src/formats/atomic-file.js');
    await writeJson(file, { ...content, measured: { ...content.measured, masks: 'ab'.repeat(32) } });
    expect(readFileSync(await writeReport(ioi), 'utf8')).not.toContain('<h2 id="verdict">');
    await writeJson(file, content);
  });

  it('says in one line what it cannot judge', async () => {
    await expect(verdict({ run: 'embedded' })).rejects.toThrow(/is a model; a verdict is given on a run/);
    await expect(verdict({ run: ioi, other: ioi, ...QUICK })).rejects.toThrow(/is a run of the same task/);
    await expect(verdict({ run: ioi, sweep: folder, ...QUICK })).rejects.toThrow(/holds no sweep/);
    await expect(verdict({ run: ioi, draws: 0 })).rejects.toThrow(/--draws 0/);
  }, 120_000);

  it('leaves nothing behind when it is stopped', async () => {
    const controller = new AbortController();
    const onProgress = ({ stage }: { stage: string }) => {
      if (stage === 'knockouts') controller.abort();
    };
    rmSync(join(ioi, 'verdict.json'));
    const call = verdict({ run: ioi, ...ALONE, ...QUICK }, { signal: controller.signal, onProgress });
    await expect(call).rejects.toThrow('interrupted');
    expect(existsSync(join(ioi, 'verdict.json'))).toBe(false);
  }, 120_000);
});
