/** Situations from the field that only a whole command shows (docs/operations.md has the table of kinds). */
import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
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

  it.each(['parquet', 'json'])('data.%s is named as one', async (format) => {
    mkdirSync(folder, { recursive: true });
    const path = join(folder, `data.${format}`);
    writeFileSync(path, pointer);
    await expect(readPromptPairs(path)).rejects.toThrow(/is a Git LFS pointer, not the file/);
  });
});
