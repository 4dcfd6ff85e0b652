/** Situations from the field that only a whole command shows (docs/operations.md has the table of kinds). */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { builtFile } from '../../src/built-file.js';
import { readPromptPairs } from '../../src/formats/prompt-pairs.js';
import { readRecords } from '../../src/formats/record-stream.js';
import { orthoscope } from '../support/command.js';
import { temporaryFolder } from '../support/temporary-folder.js';
import { goldenFile } from '../support/test-data.js';

const folder = temporaryFolder();
const cache = join(folder, 'cache');

describe('Parquet as other programs write it', () => {
  const rows = async (name: string) => {
    const found: unknown[] = [];
    const path = goldenFile(`cases/01-parquet-codecs/${name}.parquet`);
    for await (const { fields } of readRecords({ path, format: 'parquet' })) found.push(fields);
    return found;
  };

  it.each(['polars-default', 'pyarrow-gzip'])('%s has the rows of the control', async (name) => {
    const control = await rows('pyarrow-snappy');
    expect(control).toHaveLength(8);
    expect(await rows(name)).toEqual(control);
  });
});

describe('Git LFS pointers', () => {
  const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${'0'.repeat(64)}\nsize 9\n`;
  const family = goldenFile('families/llama');

  it.each([
    ['config.json', ['model']],
    ['model.safetensors', ['model']],
  ])('%s is named as one', async (file, [command]) => {
    const model = join(folder, file);
    cpSync(family, model, { recursive: true });
    writeFileSync(join(model, file), pointer);
    const { code, stderr } = await orthoscope([command!, model, '--engine', 'wasm'], { cache });
    expect(stderr).toMatch(/: is a Git LFS pointer, not the file; run: git lfs pull\n$/);
    expect(code).toBe(2);
  });

  it.each(['parquet', 'json', 'jsonl', 'csv', 'tsv'])('data.%s is named as one', async (format) => {
    mkdirSync(folder, { recursive: true });
    const path = join(folder, `data.${format}`);
    writeFileSync(path, pointer);
    await expect(readPromptPairs(path)).rejects.toThrow(/is a Git LFS pointer, not the file/);
  });
});

describe("a container's CPU quota", () => {
  // Pretended, in a mount namespace of its own: that takes root.
  const within = (quota: string, ...args: string[]) => {
    const script =
      'set -e; mount --make-rprivate /; mount -t tmpfs tmpfs /sys/fs/cgroup; eval "$QUOTA"; exec "$@"';
    return spawnSync('unshare', ['-m', 'bash', '-c', script, 'bash', ...args], {
      encoding: 'utf8',
      env: { ...process.env, ORTHOSCOPE_CACHE: cache, QUOTA: quota },
    });
  };
  const possible = within('true', 'true').status === 0 && availableParallelism() > 1;
  const estimate = [
    process.execPath,
    builtFile('cli/main.js'),
    'decompose',
    'embedded',
    '--dry-run',
    '--json',
  ];

  it.skipIf(!possible).each([
    ['version 2', 'echo "100000 100000" > /sys/fs/cgroup/cpu.max'],
    [
      'version 1',
      'mkdir -p /sys/fs/cgroup/cpu; echo 100000 > /sys/fs/cgroup/cpu/cpu.cfs_quota_us; echo 100000 > /sys/fs/cgroup/cpu/cpu.cfs_period_us',
    ],
  ])('of one core, %s, leaves decompose one thread', (_, quota) => {
    const { status, stdout, stderr } = within(quota, ...estimate);
    expect(status, stderr).toBe(0);
    expect(JSON.parse(stdout).workers).toBe(1);
    expect(JSON.parse(within('true', ...estimate).stdout).workers).toBeGreaterThan(1);
  });
});
