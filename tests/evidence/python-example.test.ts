/** `examples/python/run_circuit.py` measures a run of ours with PyTorch and transformers, and finds the same. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packageFile } from '../../src/package-file.js';
import { orthoscope } from '../support/command.js';
import { python } from '../support/python.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const folder = temporaryFolder();
const command = python('torch, transformers, safetensors, tokenizers');
const script = packageFile('examples/python/run_circuit.py');

it('has at most a hundred lines', () => {
  expect(readFileSync(script, 'utf8').trimEnd().split('\n').length).toBeLessThanOrEqual(100);
});

describe.skipIf(command === null)(
  command === null
    ? 'a circuit in PyTorch (skipped: no Python with torch, transformers, safetensors; set PYTHON)'
    : 'a circuit in PyTorch',
  () => {
    it('has the KL, exact match and accuracy of metrics.json', async () => {
      const options = { cache: join(folder, 'cache') };
      const sizes = ['--train-pairs', '48', '--validation-pairs', '12', '--test-pairs', '24'];
      const run = ['run', '--task', 'ioi', '--steps', '20', '--rounding-steps', '6', '--control-seeds', '0'];
      const out = join(folder, 'run');
      const ran = await orthoscope(
        [...run, ...sizes, '--attack', '0', '--engine', 'wasm', '--out', out],
        options,
      );
      expect(ran.code, ran.stderr).toBe(0);
      const prompts = join(folder, 'prompts');
      const task = await orthoscope(
        ['task', 'embedded', '--task', 'ioi', ...sizes, '--out', prompts],
        options,
      );
      expect(task.code, task.stderr).toBe(0);
      const words = [script, out, packageFile('models/embedded'), join(prompts, 'test.jsonl')];
      const printed = execFileSync(command!, words, {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      });
      const { found, expected } = JSON.parse(printed.trim().split('\n').at(-1)!);
      for (const name of ['kl', 'exact_match', 'accuracy'])
        expect(Math.abs(found[name] - expected[name]), name).toBeLessThan(1e-4);
    }, 900_000);
  },
);
