/** The main job on the embedded model, shortened: what it prints, writes, repeats and resumes. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { Metrics } from '../../src/evaluate/metrics-file.js';
import { readMasks } from '../../src/masks/masks-file.js';
import { type CommandOptions, orthoscope } from '../support/command.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const folder = temporaryFolder();
const cache = join(folder, 'cache');

const SHORT = [
  '--train-pairs',
  '64',
  '--validation-pairs',
  '16',
  '--test-pairs',
  '20',
  '--control-seeds',
  '2',
];
const STEPS = ['--steps', '12', '--rounding-steps', '6', '--validate-every', '4', '--engine', 'wasm'];

function run(name: string, more: string[] = [], options: Partial<CommandOptions> = {}) {
  const args = ['run', '--out', join(folder, name), '--json', ...SHORT, ...STEPS, ...more];
  return orthoscope(args, { cache, ...options });
}

const read = (name: string, file: string) => readFileSync(join(folder, name, file), 'utf8');

it('leaves a complete run folder, and prints what metrics.json holds', async () => {
  const { code, stdout, stderr } = await run('first');
  expect(code, stderr).toBe(0);
  expect(readdirSync(join(folder, 'first')).sort()).toEqual([
    'checkpoints',
    'history.jsonl',
    'labels.csv',
    'manifest.json',
    'masks.safetensors',
    'metrics.json',
    'prompts.jsonl',
    'reading',
    'report.html',
  ]);
  const printed = JSON.parse(stdout) as { metrics: Metrics; report: string };
  expect(printed.metrics).toEqual(JSON.parse(read('first', 'metrics.json')));
  expect(printed.report).toBe(join(folder, 'first', 'report.html'));
  const { test } = printed.metrics.splits;
  expect(test!.n).toBe(20);
  expect(test!.full_accuracy).toBeGreaterThan(0.9);
  expect(test!.controls!.all_on.kl).toBeLessThan(1e-4);
  const manifest = JSON.parse(read('first', 'manifest.json'));
  expect(manifest).toMatchObject({ status: 'complete', command: 'run', engine: 'wasm', seeds: { run: 0 } });
  expect(manifest.settings).toMatchObject({
    steps: 12,
    rounding_steps: 6,
    replacement: 'interchange',
    threshold: 0.5,
  });
  expect(Object.keys(manifest.data).sort()).toEqual(['test', 'train', 'validation']);
  const { values, metadata } = await readMasks(join(folder, 'first', 'masks.safetensors'));
  expect([...values.values()].every((masks) => masks.every((mask) => mask === 0 || mask === 1))).toBe(true);
  expect(metadata).toMatchObject({ weightForm: 'reference', rules: { qk: 'scale', ov: 'interchange' } });
});

it('is the same run again with the same seed, read from a config file', async () => {
  const config = join(folder, 'config.yaml');
  writeFileSync(
    config,
    'steps: 12\nrounding-steps: 6\nvalidate-every: 4\nengine: wasm\ntrain-pairs: 64\nvalidation-pairs: 16\ntest-pairs: 20\ncontrol-seeds: 2\n',
  );
  const out = join(folder, 'configured');
  const { code, stderr } = await orthoscope(['run', '--config', config, '--out', out, '--quiet'], { cache });
  expect(code, stderr).toBe(0);
  expect(stderr).toBe('');
  expect(readFileSync(join(out, 'masks.safetensors'))).toEqual(
    readFileSync(join(folder, 'first', 'masks.safetensors')),
  );
});

it('interrupted, says so with exit code 130 and goes on to the same result', async () => {
  let sent = false;
  const interrupted = await run('second', [], {
    onStderr: (text, kill) => {
      if (sent || !text.includes('prepare 16/16')) return;
      sent = true;
      kill('SIGINT');
    },
  });
  expect(interrupted.code, interrupted.stderr).toBe(130);
  expect(JSON.parse(read('second', 'manifest.json')).status).toBe('interrupted');
  const resumed = await run('second', ['--resume']);
  expect(resumed.code, resumed.stderr).toBe(0);
  const withoutTimes = (name: string) =>
    read(name, 'history.jsonl')
      .trim()
      .split('\n')
      .map((line) => ({ ...JSON.parse(line), seconds: 0 }));
  expect(withoutTimes('second')).toEqual(withoutTimes('first'));
  expect(read('second', 'metrics.json')).toBe(read('first', 'metrics.json'));
});

it('evaluates its own masks to the same figures', async () => {
  const embedded = new URL('../../models/embedded', import.meta.url).pathname;
  const masks = join(folder, 'first', 'masks.safetensors');
  const args = [
    'evaluate',
    embedded,
    '--masks',
    masks,
    '--task',
    'ioi',
    // Test prompts follow from the sizes of all splits.
    ...SHORT,
    '--engine',
    'wasm',
    '--out',
    join(folder, 'evaluated'),
    '--json',
  ];
  const { code, stdout, stderr } = await orthoscope(args, { cache });
  expect(code, stderr).toBe(0);
  const own = (JSON.parse(read('first', 'metrics.json')) as Metrics).splits.test!;
  expect(own.binarised.kl).toBeGreaterThan(1e-3);
  expect((JSON.parse(stdout).metrics as Metrics).splits.test!.binarised.kl).toBeCloseTo(own.binarised.kl!, 6);
});

it('masks a subset of kinds at all positions under every rule', async () => {
  for (const rule of ['mean', 'zero', 'resample', 'interchange']) {
    const { code, stderr } = await run(rule, [
      '--positions',
      'all',
      '--components',
      'ov,mlp_out',
      '--replacement',
      rule,
      ...['--attack', '0', '--page-prompts', '0'],
    ]);
    expect(code, stderr).toBe(0);
    const { values } = await readMasks(join(folder, rule, 'masks.safetensors'));
    expect([...values.keys()].every((name) => /ov|mlp_out/.test(name))).toBe(true);
  }
});
