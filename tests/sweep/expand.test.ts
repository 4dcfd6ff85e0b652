/** Plans as jobs: identities, what is looked up before anything runs, and what a job may hold. */
import { cpSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { packageFile } from '../../src/package-file.js';
import { jobId, jobSchema } from '../../src/queue/job.js';
import { expandPlan } from '../../src/sweep/expand.js';
import { parsePlan } from '../../src/sweep/plan.js';
import { type RunJob, runJobs, runSettingsOf } from '../../src/sweep/run-job.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const folder = temporaryFolder();
process.env.ORTHOSCOPE_CACHE = join(folder, 'cache');
const pairs = join(folder, 'pairs of mine.jsonl');

const expand = async (plan: string) => expandPlan(parsePlan(plan, 'plan.yaml'));
const idsOf = async (plan: string) => (await expand(plan)).map(({ job }) => job.id);

beforeAll(() => {
  writeFileSync(pairs, '{"clean": "So Sarah is", "corrupted": "So John is"}\n');
});

describe('a run’s identity', () => {
  it('is the same however the same settings are written', async () => {
    const [id] = await idsOf('task: ioi');
    for (const same of [
      'task: ioi\nseed: 0\npreset: default\ncorruption: new-names',
      'components: [mlp_out, ov, qk, mlp_in]\ntask: ioi',
      `model: ${packageFile('models/embedded')}\ntask: ioi`,
    ])
      expect(await idsOf(same), same).toEqual([id]);
  });

  it('follows every setting, and the same run is planned once', async () => {
    const [id] = await idsOf('task: ioi');
    for (const other of [
      'seed: 1',
      'l1: 0.01',
      'preset: reference',
      'basis: random',
      'rank: 8',
      'train-pairs: 9',
    ])
      expect(await idsOf(`task: ioi\n${other}`), other).not.toContain(id);
    expect(await idsOf('task: ioi\ninclude:\n  - seed: 0\nmatrix: {seed: [0, 1]}')).toHaveLength(2);
  });

  it('is that of the contents of model and data, not of their paths', async () => {
    const copy = join(folder, 'elsewhere');
    cpSync(packageFile('models/embedded'), copy, { recursive: true });
    expect(await idsOf(`model: ${copy}\ntask: ioi`)).toEqual(await idsOf('task: ioi'));
    const renamed = join(folder, 'renamed.jsonl');
    cpSync(pairs, renamed);
    const [first] = await idsOf(`data: "${pairs}"`);
    expect(await idsOf(`data: ${renamed}`)).toEqual([first]);
    writeFileSync(renamed, '{"clean": "So Mary is", "corrupted": "So John is"}\n');
    expect(await idsOf(`data: ${renamed}`)).not.toContain(first);
  });

  it('is the hash of the job', async () => {
    const [run] = await expand('task: ioi');
    expect(jobId(runJobs, run!.job.model, run!.job.settings)).toBe(run!.job.id);
    expect(jobSchema(runJobs).parse(JSON.parse(JSON.stringify(run!.job)))).toEqual(run!.job);
  });
});

describe('looks up before anything runs', () => {
  it.each([
    ['task: iio', 'plan.yaml:1:7: task iio: choose from ioi, '],
    ['steps: 4', 'plan.yaml:1:1: give either "task" or "data"'],
    ['task: ioi\ndata: x.jsonl', 'plan.yaml:1:1: give either "task" or "data"'],
    [
      'task: ioi\ncorruption: end-01',
      'no corruption "end-01"; choose from new-names, swap-subject, new-subject',
    ],
    ['task: ioi\ntemplates: gave, was', 'no template "was"; choose from gave'],
    ['data: missing.jsonl', 'missing.jsonl: '],
    ['task: ioi\nmodel: nowhere/at-all', 'nowhere/at-all'],
    ['task: ioi\ncomponents: mlp_gate', '--components mlp_gate: a gpt2 model has qk, ov, mlp_in, mlp_out'],
    ['matrix: {seed: [1]}\ninclude:\n  - task: ioi', 'plan.yaml:1:1: give either'],
    ['include:\n  - task: ioi\n  - task: oi', 'plan.yaml:3:11: task oi: choose from ioi, '],
  ])('%j', async (plan, message) => {
    process.env.HF_HUB_OFFLINE = '1';
    await expect(expand(plan)).rejects.toThrow(message);
  });
});

describe('a job', () => {
  let job: RunJob;
  beforeAll(async () => {
    job = (await expand(`data: "${pairs}"\nseed: 3\npositions: all`))[0]!.job;
  });

  it('names files by content and a plain name, below the folder in which it is done', () => {
    const { data, validation, test } = job.settings;
    const hash = expect.stringMatching(/^[0-9a-f]{64}$/);
    expect([data, validation, test]).toEqual([{ name: 'pairs_of_mine.jsonl', hash }, null, null]);
    const settings = runSettingsOf(job, { model: '/models/a', store: null, cores: 3 });
    expect(settings.out).toBe(join('runs', job.id));
    expect(settings.data).toMatch(/^data.[0-9a-f]{16}-pairs_of_mine.jsonl$/);
    expect(settings).toMatchObject({ model: '/models/a', workers: 1, seed: 3, positions: 'all' });
  });

  it.each<[string, (job: RunJob) => void]>([
    ['an id that is a path', (bad) => (bad.id = '../../../../etc')],
    ['a name that is a path', (bad) => (bad.settings.data!.name = '../x')],
    ['a name that is hidden', (bad) => (bad.settings.data!.name = '.bashrc')],
    ['a hash that is a path', (bad) => (bad.settings.data!.hash = '../x')],
    ['a setting that no run has', (bad) => Object.assign(bad.settings, { out: '/tmp/x' })],
    ['a setting that is missing', (bad) => void Reflect.deleteProperty(bad.settings, 'lr')],
    ['a path for a model', (bad) => Object.assign(bad.model, { path: '/models/b' })],
    ['an engine that is none', (bad) => Object.assign(bad.settings, { engine: './evil.js' })],
  ])('is refused with %s', (_, spoil) => {
    const bad = structuredClone(job);
    spoil(bad);
    expect(jobSchema(runJobs).safeParse(bad).success).toBe(false);
  });
});
