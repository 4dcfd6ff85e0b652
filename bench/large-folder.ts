/**
 * What decomposing a model of 1 or 3 billion parameters costs: `node dist/bench/large-folder.js [--shape 1b]
 * [--layers 2] [-- FLAGS OF decompose]`, after `npm run build`. Writes a folder of that shape (Llama 3.2's), sharded,
 * in BF16, with random weights, few layers and few words, decomposes it in a process of its own, and projects to all layers.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { packageFile } from '../src/package-file.js';
import { LLAMA_SHAPES, writeLlama } from './llama-folder.js';

const { values: options, positionals: passed } = parseArgs({
  options: { shape: { type: 'string', default: '1b' }, layers: { type: 'string', default: '2' } },
  allowPositionals: true,
});
const shape = LLAMA_SHAPES[options.shape as keyof typeof LLAMA_SHAPES];
if (!shape) throw new Error(`--shape ${options.shape}: choose from ${Object.keys(LLAMA_SHAPES).join(', ')}`);
const layers = Number(options.layers);

const scratch = mkdtempSync(join(tmpdir(), 'orthoscope-bench-'));
try {
  const folder = join(scratch, 'model');
  await writeLlama(folder, { ...shape, layers, vocabulary: 1000 });
  const started = performance.now();
  const peak = await decompose(folder);
  const seconds = (performance.now() - started) / 1000;
  const projected = (seconds / layers) * shape.layers;
  console.log(
    `${options.shape}, ${layers} layers: ${seconds.toFixed(0)} s, peak ${(peak / 2 ** 20).toFixed(1)} GiB; ` +
      `all ${shape.layers} layers: ${(projected / 60).toFixed(0)} minutes, the same peak`,
  );
} finally {
  rmSync(scratch, { recursive: true, force: true });
}

/** @returns the process's largest resident size, in KiB */
function decompose(folder: string): Promise<number> {
  const args = ['decompose', folder, '--store', join(scratch, 'store'), '--json', ...passed];
  const child = spawn(process.execPath, [packageFile('dist/cli/main.js'), ...args], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  let peak = 0;
  const watch = setInterval(() => {
    const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
    peak = Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1] ?? peak);
  }, 200);
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (code) => {
      clearInterval(watch);
      if (code === 0) resolve(peak);
      else reject(new Error(`decompose ended with exit code ${code}`));
    });
  });
}
