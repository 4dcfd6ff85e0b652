/** `examples/python/run_circuit.py` measures runs of ours with PyTorch and transformers, and finds the same. */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packageFile } from '../../src/package-file.js';
import { orthoscopeHere } from '../support/command-here.js';
import { python } from '../support/python.js';
import { type RotaryFamily, writeRandomFamily } from '../support/random-family.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const folder = temporaryFolder();
const command = python('torch, transformers, safetensors, tokenizers');
const scripts = packageFile('examples/python');
const embedded = packageFile('models/embedded');

for (const script of readdirSync(scripts).filter((name) => name.endsWith('.py')))
  it(`${script} has at most a hundred lines`, () => {
    const lines = readFileSync(join(scripts, script), 'utf8').trimEnd().split('\n');
    expect(lines.length).toBeLessThanOrEqual(100);
  });

describe.skipIf(command === null)(
  command === null
    ? 'a circuit in PyTorch (skipped: no Python with torch, transformers, safetensors; set PYTHON)'
    : 'a circuit in PyTorch',
  () => {
    it(
      'has the KL, exact match and accuracy of metrics.json, on the embedded model',
      () => agree('embedded', embedded),
      900_000,
    );

    // Grouped heads in all. Biases: everywhere, of q, k and v, none. Positions are scaled in the first two.
    it.each<{ family: RotaryFamily; biased: boolean }>([
      { family: 'llama', biased: true },
      { family: 'qwen2', biased: false },
      { family: 'mistral', biased: false },
    ])(
      'has them on a random $family',
      async ({ family, biased }) => {
        const model = join(folder, family);
        const sizes = { layers: 2, kvHeads: 2, group: 2, planes: 3, dModel: 16, dMlp: 24, vocabulary: 340 };
        await writeRandomFamily(model, { family, ...sizes, biased, seed: 5 });
        await copyFile(join(embedded, 'tokenizer.json'), join(model, 'tokenizer.json'));
        await agree(family, model);
      },
      900_000,
    );
  },
);

async function agree(name: string, model: string): Promise<void> {
  const sizes = ['--task', 'ioi', '--train-pairs', '48', '--validation-pairs', '12', '--test-pairs', '24'];
  const [out, prompts] = [join(folder, `${name}-run`), join(folder, `${name}-prompts`)];
  const training = ['--steps', '20', '--rounding-steps', '6', '--control-seeds', '0', '--attack', '0'];
  await done(['run', model, ...sizes, ...training, '--engine', 'wasm', '--out', out]);
  await done(['task', model, ...sizes, '--out', prompts]);
  const words = [join(scripts, 'run_circuit.py'), out, model, join(prompts, 'test.jsonl')];
  const printed = execFileSync(command!, words, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  const { found, expected } = JSON.parse(printed.trim().split('\n').at(-1)!);
  // A circuit that keeps everything has nothing to show.
  expect(expected.kl).toBeGreaterThan(0.005);
  for (const name of ['kl', 'exact_match', 'accuracy'])
    expect(Math.abs(found[name] - expected[name]), name).toBeLessThan(1e-4);
}

async function done(words: string[]): Promise<void> {
  const { code, stderr } = await orthoscopeHere(words, { cache: join(folder, 'cache') });
  expect(code, stderr).toBe(0);
}
