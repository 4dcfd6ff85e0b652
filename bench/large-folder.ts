/**
 * What decomposing a model of 1 or 3 billion parameters costs: `node dist/bench/large-folder.js [--shape 1b]
 * [--layers 2] [-- FLAGS OF decompose]`, after `npm run build`. Writes a folder of that shape (Llama 3.2's), sharded,
 * in BF16, with random weights and few layers, decomposes it in a process of its own, and projects to all layers.
 */
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type TensorData, writeSafetensors } from '../src/formats/safetensors-write.js';
import { packageFile } from '../src/package-file.js';
import { Random } from '../src/random.js';

const SHAPES = {
  '1b': { d: 2048, mlp: 8192, heads: 32, kvHeads: 8, dHead: 64, layers: 16 },
  '3b': { d: 3072, mlp: 8192, heads: 24, kvHeads: 8, dHead: 128, layers: 28 },
};
const VOCABULARY = 1000;

const { values: options, positionals: passed } = parseArgs({
  options: { shape: { type: 'string', default: '1b' }, layers: { type: 'string', default: '2' } },
  allowPositionals: true,
});
const shape = SHAPES[options.shape as keyof typeof SHAPES];
if (!shape) throw new Error(`--shape ${options.shape}: choose from ${Object.keys(SHAPES).join(', ')}`);
const layers = Number(options.layers);

const scratch = mkdtempSync(join(tmpdir(), 'orthoscope-bench-'));
try {
  const folder = join(scratch, 'model');
  await writeFolder(folder);
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

/** One shard a layer, and one for the ends. */
async function writeFolder(folder: string): Promise<void> {
  const { d, mlp, heads, kvHeads, dHead } = shape;
  const random = new Random(0);
  const matrix = (rows: number, cols: number): TensorData => ({
    dtype: 'BF16',
    shape: [rows, cols],
    data: Float32Array.from({ length: rows * cols }, () => (random.uniform() - 0.5) / Math.sqrt(cols)),
  });
  const ones = (length: number): TensorData => ({
    dtype: 'BF16',
    shape: [length],
    data: new Float32Array(length).fill(1),
  });
  const index: Record<string, string> = {};
  const write = async (shard: string, tensors: Record<string, TensorData>) => {
    for (const name of Object.keys(tensors)) index[name] = shard;
    await writeSafetensors(join(folder, shard), new Map(Object.entries(tensors)));
  };
  mkdirSync(folder);
  for (let layer = 0; layer < layers; layer++) {
    const at = `model.layers.${layer}.`;
    await write(`layer-${layer}.safetensors`, {
      [`${at}input_layernorm.weight`]: ones(d),
      [`${at}post_attention_layernorm.weight`]: ones(d),
      [`${at}self_attn.q_proj.weight`]: matrix(heads * dHead, d),
      [`${at}self_attn.k_proj.weight`]: matrix(kvHeads * dHead, d),
      [`${at}self_attn.v_proj.weight`]: matrix(kvHeads * dHead, d),
      [`${at}self_attn.o_proj.weight`]: matrix(d, heads * dHead),
      [`${at}mlp.gate_proj.weight`]: matrix(mlp, d),
      [`${at}mlp.up_proj.weight`]: matrix(mlp, d),
      [`${at}mlp.down_proj.weight`]: matrix(d, mlp),
    });
  }
  await write('ends.safetensors', {
    'model.embed_tokens.weight': matrix(VOCABULARY, d),
    'model.norm.weight': ones(d),
  });
  writeFileSync(join(folder, 'model.safetensors.index.json'), JSON.stringify({ weight_map: index }));
  writeFileSync(
    join(folder, 'config.json'),
    JSON.stringify({
      model_type: 'llama',
      hidden_size: d,
      intermediate_size: mlp,
      num_hidden_layers: layers,
      num_attention_heads: heads,
      num_key_value_heads: kvHeads,
      head_dim: dHead,
      vocab_size: VOCABULARY,
      max_position_embeddings: 131072,
      rope_theta: 500000,
      rope_scaling: {
        rope_type: 'llama3',
        factor: 32,
        low_freq_factor: 1,
        high_freq_factor: 4,
        original_max_position_embeddings: 8192,
      },
      tie_word_embeddings: true,
    }),
  );
}
