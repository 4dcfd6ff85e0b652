/**
 * Shows that the program works on other Nodes than the one that runs this script: each is installed from npm into a
 * temporary folder, tests what depends on Node (engines, kernels, workers, tokenizers, files, the command line), and
 * trains masks, which must equal this Node's byte for byte.
 * Usage, after `npm test`: node scripts/other-nodes.mjs [MAJOR…]   (22 and 24 unless said otherwise)
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const MAJORS = process.argv.length > 2 ? process.argv.slice(2) : ['22', '24'];
const SUITES = [
  'tests/engine',
  'tests/kernels',
  'tests/pool',
  'tests/formats/tokenizer.test.ts',
  'tests/formats/parquet-file.test.ts',
  'tests/masks/golden.test.ts',
  'tests/library/language-model.test.ts',
];

// Compiling the addon takes two minutes, and what it makes does not depend on Node: the masks below come from it.
const LEFT_OUT = ['--exclude=tests/engine/native/link.test.ts'];

process.chdir(fileURLToPath(new URL('..', import.meta.url)));
const scratch = mkdtempSync(join(tmpdir(), 'orthoscope-nodes-'));
try {
  const expected = masksBy(process.execPath);
  for (const major of MAJORS) {
    const node = install(major);
    const version = execFileSync(node, ['--version'], { encoding: 'utf8' }).trim();
    const found = masksBy(node);
    for (const engine of Object.keys(expected))
      if (found[engine] !== expected[engine])
        fail(`${version}: the masks trained with ${engine} differ from those of ${process.version}`);
    const env = { ...process.env, PATH: dirname(node) + delimiter + process.env.PATH };
    const suite = ['node_modules/vitest/vitest.mjs', 'run', '--reporter=default', ...LEFT_OUT, ...SUITES];
    if (spawnSync(node, suite, { env, stdio: 'inherit' }).status !== 0) fail(`${version}: tests failed`);
    console.log(
      `${version}: masks as on ${process.version} (${Object.keys(found).join(', ')}), tests passed`,
    );
  }
} finally {
  rmSync(scratch, { recursive: true, force: true });
}

/** Its executable. npm's package `node` fetches the one for this processor when it is installed. */
function install(major) {
  const folder = join(scratch, major);
  mkdirSync(folder);
  const args = ['install', '--prefix', folder, '--no-save', '--ignore-scripts=false', '--loglevel=error'];
  execFileSync('npm', [...args, `node@${major}`], { stdio: ['ignore', 2, 2] });
  return join(folder, 'node_modules', 'node', 'bin', 'node');
}

/** Hashes of masks of a fixed seed by the engines that this machine has. */
function masksBy(node) {
  const hashes = {};
  for (const engine of ['wasm', 'native-cpu']) {
    const out = mkdtempSync(join(scratch, 'masks-'));
    const args = ['train', 'embedded', '--task', 'gendered-pronoun', '--engine', engine, '--out', out];
    const { status, stderr } = spawnSync(node, ['dist/cli/main.js', ...args], { encoding: 'utf8' });
    if (status === 0) {
      const file = readFileSync(join(out, 'masks.safetensors'));
      hashes[engine] = createHash('sha256').update(file).digest('hex');
    } else if (engine === 'wasm' || !/no TensorFlow is linked|not installed/.test(stderr))
      fail(`${node}: train --engine ${engine} failed: ${stderr.trim().split('\n').at(-1)}`);
  }
  return hashes;
}

function fail(what) {
  console.error(what);
  process.exitCode = 1;
}
