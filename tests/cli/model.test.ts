/** `model`, and splits of QK on the command line, on a trained Llama. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { ModelDescription } from '../../src/commands/model.js';
import type { Metrics } from '../../src/evaluate/metrics-file.js';
import { openSafetensors } from '../../src/formats/safetensors.js';
import { writeMasks } from '../../src/masks/masks-file.js';
import { listComponents } from '../../src/models/components.js';
import { orthoscopeHere } from '../support/command-here.js';
import { openForTest } from '../support/open-model.js';
import { temporaryFolder } from '../support/temporary-folder.js';
import { describeWith, TINY_STORIES } from '../support/test-data.js';

const folder = temporaryFolder();
const cache = join(folder, 'cache');

describeWith(TINY_STORIES, 'a Llama on the command line', () => {
  const model = TINY_STORIES.path;
  const run = (...args: string[]) => orthoscopeHere(args, { cache });

  it('is described, and continues a prompt as it should', async () => {
    const [expected] = JSON.parse(readFileSync(join(model, 'expected.json'), 'utf8')).cases;
    const args = ['model', model, '--prompt', expected.name, '--engine', 'wasm'];
    const { code, stdout, stderr } = await run(...args, '--json');
    expect(code, stderr).toBe(0);
    const described = JSON.parse(stdout) as ModelDescription;
    expect(described).toMatchObject({
      family: 'llama',
      shape: { nLayers: 2, dModel: 128, nHeads: 8, nKvHeads: 4, gatedMlp: true },
      rotary: { dims: 16, scale: 1 },
      components: 38,
      directions: 1280,
      bos: true,
    });
    const { prompt } = described;
    expect(prompt!.ids).toEqual(expected.tokens);
    expect(prompt!.next.map(({ id }) => id)).toEqual(
      expected.last_logits_top10.map(([id]: [number, number]) => id),
    );
    expect(prompt!.mean_log_probability).toBeCloseTo(-expected.mean_next_token_nll_over_prompt, 3);
    const plain = await run(...args, '--bos', 'never');
    expect(plain.stdout).toContain('8 query heads over 4 key/value heads');
    expect(plain.stdout).toContain('without a beginning-of-text token');
  });

  it('can be read at one offset, but not masked so', async () => {
    const store = join(folder, 'store');
    const args = ['--qk-split', 'offset', '--rotary-offsets', '3', '--store', store];
    const { code, stdout, stderr } = await run('decompose', model, ...args, '--json');
    expect(code, stderr).toBe(0);
    const source = await openSafetensors(join(store, JSON.parse(stdout).key, 'layer-000.safetensors'));
    expect(source.info('L0H0.qk.vt').shape).toEqual([16, 128]);
    await source.close();
    const data = join(folder, 'pairs.jsonl');
    writeFileSync(data, '{"clean_ids": [1, 2, 3], "corrupted_ids": [1, 2, 4]}\n');
    const refused = await run('train', model, '--data', data, '--out', join(folder, 'x'), ...args);
    expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining('can be read, not masked')]);
  });

  it('keeps all it does with every plane, and refuses masks of another split', async () => {
    const { architecture } = await openForTest(model);
    const components = listComponents(architecture, ['qk'], { by: 'plane', offsets: 64 });
    const masks = join(folder, 'planes.safetensors');
    const values = new Map(components.map(({ name, rank }) => [name, new Float32Array(rank).fill(1)]));
    await writeMasks(masks, { values, metadata: { qkSplit: 'plane' } });
    const data = join(folder, 'pairs.jsonl');
    writeFileSync(data, '{"clean_ids": [1, 80, 147, 201], "corrupted_ids": [1, 2, 4]}\n');
    const fresh = (name: string) => ['--out', join(folder, name)];
    const args = ['evaluate', model, '--masks', masks, '--data', data, '--engine', 'wasm', '--json'];
    const { code, stdout, stderr } = await run(...args, ...fresh('planes'), '--qk-split', 'plane');
    expect(code, stderr).toBe(0);
    const { test } = (JSON.parse(stdout).metrics as Metrics).splits;
    expect(test!.directions).toBe(2 * 8 * 8);
    expect(test!.kl).toBeLessThan(1e-5);
    const other = await run(...args, ...fresh('other'));
    expect(other.code).toBe(2);
    expect(other.stderr).toContain('masks over QK split by plane, but rotary 64 is asked for');
  });
});
