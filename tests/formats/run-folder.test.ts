import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { hostname, userInfo } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { InputError } from '../../src/errors.js';
import { temporaryName } from '../../src/formats/atomic-file.js';
import { LOCK } from '../../src/formats/folder-lock.js';
import { describeHost, firstDifference, type Manifest } from '../../src/formats/manifest.js';
import { abandonRuns, createRun, openRun } from '../../src/formats/run-folder.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const path = join(temporaryFolder(), 'runs', 'one');
beforeEach(() => rmSync(path, { recursive: true, force: true }));

const manifest = (changes: Partial<Manifest> = {}): Manifest => ({
  schema_version: 1,
  command: 'train',
  status: 'running',
  settings: { lr: 0.02, kinds: ['qk', 'ov'], schedule: { kind: 'linear', from: 0 }, limit: undefined },
  seeds: { masks: 7 },
  model: { id: 'gpt2', path: '/m', revision: null, hash: 'a'.repeat(64) },
  data: { train: { source: 'ioi', pairs: 1000, hash: 'b'.repeat(64) } },
  weight_form: 'reference',
  engine: 'wasm',
  versions: { orthoscope: '0.1.0', node: process.version },
  host: describeHost(),
  started_at: '2025-01-02T03:04:05.678Z',
  seconds: {},
  ...changes,
});

describe('a new run', () => {
  it('makes its folder and says that it is running', async () => {
    const run = await createRun(path, manifest());
    expect(readdirSync(path).sort()).toEqual([LOCK, 'manifest.json']);
    await run.unlock();
    expect(readdirSync(path)).toEqual(['manifest.json']);
    const { limit, ...settings } = manifest().settings;
    expect((await openRun(path)).manifest).toEqual({ ...manifest(), settings });
    expect(run.file('masks.safetensors')).toBe(join(path, 'masks.safetensors'));
  });

  it('records how it went', async () => {
    const run = await createRun(path, manifest());
    await run.update({ seconds: { train: 1.5 } });
    await run.update({ status: 'failed', error: 'no', ended_at: '2025-01-02T03:05:00Z' });
    const stored = (await openRun(path)).manifest;
    expect(stored).toMatchObject({ status: 'failed', error: 'no', seconds: { train: 1.5 } });
    expect(run.manifest).toEqual({ ...stored, settings: manifest().settings });
  });

  it('may begin in an empty folder, and over what a killed process left half-written', async () => {
    mkdirSync(path, { recursive: true });
    writeFileSync(join(path, '.manifest.json.01234567-89ab-cdef-0123-456789abcdef.tmp'), '{');
    await createRun(path, manifest());
  });

  it('refuses a folder with other files, untouched', async () => {
    mkdirSync(path, { recursive: true });
    writeFileSync(join(path, 'thesis.tex'), '');
    await expect(createRun(path, manifest())).rejects.toThrow(/files that are no run's \(thesis\.tex\)/);
    await expect(createRun(path, manifest(), { resume: true })).rejects.toBeInstanceOf(InputError);
    expect(readdirSync(path)).toEqual(['thesis.tex']);
  });

  it('refuses a file of its name', async () => {
    mkdirSync(join(path, '..'), { recursive: true });
    writeFileSync(path, '');
    await expect(createRun(path, manifest())).rejects.toThrow(/is a file; name a folder/);
    await expect(createRun(join(path, 'below'), manifest())).rejects.toBeInstanceOf(InputError);
  });
});

describe('a process that ends at once', () => {
  it('leaves no manifest that says its run goes on, and no lock', async () => {
    const run = await createRun(path, manifest());
    abandonRuns();
    expect(readdirSync(path)).toEqual(['manifest.json']);
    expect((await openRun(path)).manifest.status).toBe('interrupted');
    await run.unlock();
    abandonRuns();
    expect((await openRun(path)).manifest.status).toBe('interrupted');
  });
});

describe('a folder that holds a run', () => {
  it('is refused without resume, and says what it holds', async () => {
    const run = await createRun(path, manifest());
    await run.update({ status: 'interrupted' });
    const before = readFileSync(join(path, 'manifest.json'));
    await expect(createRun(path, manifest())).rejects.toThrow(/already holds a run \(train, interrupted\)/);
    expect(readFileSync(join(path, 'manifest.json')).equals(before)).toBe(true);
  });

  it('goes on with the same run, wherever that runs now', async () => {
    const run = await createRun(path, manifest());
    await run.update({
      status: 'failed',
      error: 'x',
      ended_at: '2025-01-02T03:05:00Z',
      seconds: { train: 3 },
    });
    await run.unlock();
    mkdirSync(join(path, 'checkpoints'));
    const left = join(path, 'checkpoints/.a.01234567-89ab-cdef-0123-456789abcdef.tmp');
    writeFileSync(left, '');
    const again = manifest({ engine: 'native', started_at: '2026-01-01T00:00:00Z' });
    again.model = { ...again.model, path: '/elsewhere', id: 'org/gpt2', revision: 'f'.repeat(40) };
    const resumed = await createRun(path, again, { resume: true });
    const stored = JSON.parse(readFileSync(join(path, 'manifest.json'), 'utf8'));
    expect(stored).toMatchObject({ status: 'running', engine: 'native', seconds: { train: 3 } });
    expect(stored.started_at).toBe(manifest().started_at);
    expect(stored).not.toHaveProperty('error');
    expect(stored).not.toHaveProperty('ended_at');
    expect(resumed.manifest.status).toBe('running');
    expect(existsSync(left)).toBe(false);
  });

  it('comes back as it is if the run is complete', async () => {
    const run = await createRun(path, manifest());
    await run.update({ status: 'complete' });
    await run.unlock();
    const left = temporaryName(run.file('report.html'));
    writeFileSync(left, 'half');
    const again = await createRun(path, manifest(), { resume: true });
    expect(again.manifest.status).toBe('complete');
    await again.unlock();
    // Killed as its page was written.
    expect(existsSync(left)).toBe(false);
  });

  it.each<[string, Partial<Manifest>]>([
    ['settings.lr', { settings: { ...manifest().settings, lr: 0.01 } }],
    ['settings.kinds.1', { settings: { ...manifest().settings, kinds: ['qk', 'mlp_in'] } }],
    ['settings.schedule.from', { settings: { ...manifest().settings, schedule: { kind: 'linear' } } }],
    ['settings.extra', { settings: { ...manifest().settings, extra: 1 } }],
    ['seeds.masks', { seeds: { masks: 8 } }],
    ['model.hash', { model: { ...manifest().model, hash: 'c'.repeat(64) } }],
    ['data.train.hash', { data: { train: { ...manifest().data.train!, hash: 'c'.repeat(64) } } }],
    ['weight_form', { weight_form: 'folded' }],
    ['command', { command: 'run' }],
  ])('refuses to resume with another %s', async (where, changes) => {
    await createRun(path, manifest());
    expect(firstDifference(manifest(), manifest(changes))).toBe(where);
    await expect(createRun(path, manifest(changes), { resume: true })).rejects.toThrow(
      `holds a run with another ${where};`,
    );
  });

  it.each<[string, RegExp]>([
    ['{', /not valid JSON/],
    ['{}', /manifest\.json: schema_version/],
    [JSON.stringify({ ...manifest(), schema_version: 2 }), /schema_version/],
    [JSON.stringify({ ...manifest(), status: 'done' }), /status/],
    [
      JSON.stringify({ ...manifest(), model: { ...manifest().model, hash: 'x' } }),
      /model\.hash "x": is not a SHA-256/,
    ],
    [JSON.stringify({ ...manifest(), surprise: 1 }), /surprise/],
  ])('refuses a manifest %#', async (text, message) => {
    mkdirSync(path, { recursive: true });
    writeFileSync(join(path, 'manifest.json'), text);
    await expect(openRun(path)).rejects.toThrow(message);
    await expect(openRun(path)).rejects.toBeInstanceOf(InputError);
  });

  it('says so where there is no run', async () => {
    await expect(openRun(path)).rejects.toThrow(/manifest\.json: no such file/);
  });
});

describe('history', () => {
  const history = join(path, 'history.jsonl');

  it('grows line by line and is read back', async () => {
    const run = await createRun(path, manifest());
    expect(await run.readHistory()).toEqual([]);
    await run.appendHistory({ step: 0, kl: 0.5 });
    await run.appendHistory({ step: 1, kl: Number.NaN, validation: true });
    expect(readFileSync(history, 'utf8')).toBe(
      '{"step":0,"kl":0.5}\n{"step":1,"kl":null,"validation":true}\n',
    );
    expect(await run.readHistory()).toEqual([
      { step: 0, kl: 0.5 },
      { step: 1, kl: null, validation: true },
    ]);
  });

  it('loses what lies beyond the checkpoint, half-written lines included', async () => {
    const run = await createRun(path, manifest());
    for (let step = 0; step < 5; step++) await run.appendHistory({ step, kl: step });
    appendFileSync(history, '{"step":5,"k');
    expect(await run.readHistory()).toHaveLength(5);
    await run.keepHistory(({ step }) => step < 3);
    expect((await run.readHistory()).map(({ step }) => step)).toEqual([0, 1, 2]);
    await run.appendHistory({ step: 3, kl: 9 });
    expect((await run.readHistory()).at(-1)).toEqual({ step: 3, kl: 9 });
    await run.keepHistory(() => false);
    expect(readFileSync(history, 'utf8')).toBe('');
  });

  it('names the line that is damaged', async () => {
    const run = await createRun(path, manifest());
    writeFileSync(history, '{"step":0}\nx\n');
    await expect(run.readHistory()).rejects.toThrow(/history\.jsonl:2: not valid JSON/);
    writeFileSync(history, '{"kl":0}\n');
    await expect(run.readHistory()).rejects.toThrow(/history\.jsonl:1: no "step"/);
  });

  it('cannot be written to a folder that is gone', async () => {
    const run = await createRun(path, manifest());
    rmSync(path, { recursive: true });
    await expect(run.appendHistory({ step: 0 })).rejects.toBeInstanceOf(InputError);
    expect(existsSync(path)).toBe(false);
  });
});

it('describes the machine without naming it', () => {
  const text = JSON.stringify(describeHost());
  expect(text).not.toContain(hostname());
  expect(text).not.toContain(userInfo().homedir);
});
