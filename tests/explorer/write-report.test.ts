import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { InputError } from '../../src/errors.js';
import { writeReport } from '../../src/explorer/write-report.js';
import { writeJson } from '../../src/formats/atomic-file.js';
import { writeMasks } from '../../src/masks/masks-file.js';
import { reportPage } from '../../src/report/html.js';
import { reportedRun, writeReportedRun } from '../support/run-fixture.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const folder = join(temporaryFolder(), 'run');
const reported = reportedRun();
const { manifest, history, masks } = reported;
let { metrics } = reported;

beforeEach(async () => {
  rmSync(folder, { recursive: true, force: true });
  metrics = await writeReportedRun(folder, reported);
});

it('writes the page of what the folder holds, over an older one', async () => {
  writeFileSync(join(folder, 'report.html'), 'old');
  const path = await writeReport(folder);
  expect(path).toBe(join(folder, 'report.html'));
  const main = (page: string) => /<main.*?<\/main>/s.exec(page)![0];
  expect(main(readFileSync(path, 'utf8'))).toBe(main(reportPage({ manifest, metrics, history, masks })));
  expect(readdirSync(folder).sort()).toEqual([
    'history.jsonl',
    'manifest.json',
    'masks.safetensors',
    'metrics.json',
    'report.html',
  ]);
});

it('keeps figures that a later program adds', async () => {
  await writeJson(join(folder, 'metrics.json'), { ...metrics, extra: 'kept' });
  expect(readFileSync(await writeReport(folder), 'utf8')).toContain('&#34;extra&#34;: &#34;kept&#34;');
});

it('needs no history', async () => {
  rmSync(join(folder, 'history.jsonl'));
  expect(readFileSync(await writeReport(folder), 'utf8')).toContain('no record of training');
});

describe('a folder that lacks something', () => {
  const refused = async (message: string | RegExp) => {
    const failure = await writeReport(folder).catch((error) => error);
    expect(failure).toBeInstanceOf(InputError);
    expect(failure.message).toMatch(message);
    expect(failure.message).not.toContain('\n');
    expect(readdirSync(folder)).not.toContain('report.html');
  };

  it('is refused without a manifest', async () => {
    rmSync(join(folder, 'manifest.json'));
    await refused(/manifest\.json: no such file/);
  });

  it.each(['masks.safetensors', 'metrics.json'])('is refused without %s', async (name) => {
    rmSync(join(folder, name));
    await refused(`no ${name} (the run is complete); a report needs`);
  });

  const test = metrics.splits.test!;
  it.each<[string, unknown, RegExp]>([
    ['another version', { ...metrics, schema_version: 1 }, /schema_version 1: expected 2; evaluate again/],
    ['no split', { ...metrics, splits: {} }, /splits: holds no split; evaluate again/],
    [
      'a missing score',
      { ...metrics, splits: { test: { ...test, kl: undefined } } },
      /splits\.test\.kl: missing; evaluate again/,
    ],
    [
      'a text for a figure',
      { ...metrics, measured: { ...metrics.measured, threshold: '0.5' } },
      /measured\.threshold "0\.5": expected a number; evaluate again/,
    ],
    [
      'half its controls',
      { ...metrics, splits: { test: { ...test, controls: { random: test.controls!.random } } } },
      /splits\.test\.controls\.random_by_kind: missing; /,
    ],
  ])('is refused where metrics.json has %s', async (_, content, message) => {
    await writeJson(join(folder, 'metrics.json'), content);
    await refused(message);
  });

  it('is refused where its figures were measured on other masks, be they as many', async () => {
    const [[name, values], ...others] = [...masks] as [string, Float32Array][];
    const changed = new Map([[name!, values!.map((mask) => 1 - mask)] as const, ...others]);
    await writeMasks(join(folder, 'masks.safetensors'), { values: changed, metadata: {} });
    await refused(/metrics\.json was measured on other masks \(SHA-256 \w{12}…\) than masks\.safetensors/);
  });

  it('is refused where its figures were measured on another model', async () => {
    const { measured } = metrics;
    const model = { id: 'another', hash: 'ff'.repeat(32) };
    await writeJson(join(folder, 'metrics.json'), { ...metrics, measured: { ...measured, model } });
    await refused(/was measured on another model \(another\) than the run's \(tiny-tasks\)/);
  });
});
