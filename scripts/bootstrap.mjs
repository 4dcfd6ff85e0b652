/**
 * Makes a fresh clone ready: installs what package-lock.json names, compiles AssemblyScript and TypeScript.
 * Each npm script that a newcomer types starts with it, because `ignore-scripts` switches pre-scripts off.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
process.chdir(root);

const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(`orthoscope needs Node 20.19 or newer; this is ${process.version}`);
  process.exit(2);
}

step('install', 'node_modules/.orthoscope-stamp', ['package-lock.json'], () =>
  npm('ci', '--no-audit', '--no-fund', '--loglevel=error'),
);
step('build kernels', 'dist/wasm/.stamp', ['assembly', 'asconfig.json', 'package-lock.json'], () =>
  npm('run', '--silent', 'build:wasm'),
);
step(
  'build',
  'dist/.stamp',
  ['src', 'assembly', 'cli', 'models', 'bench', 'tsconfig.json', 'package-lock.json'],
  () => npm('run', '--silent', 'build:ts'),
);

/** Runs `work` unless the stamp file already holds the hash of the inputs. */
function step(name, stamp, inputs, work) {
  const hash = createHash('sha256');
  for (const input of inputs) addToHash(hash, input);
  const wanted = hash.digest('hex');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return;
  const started = Date.now();
  process.stderr.write(`${name} … `);
  work();
  mkdirSync(join(stamp, '..'), { recursive: true });
  writeFileSync(stamp, wanted);
  process.stderr.write(`${((Date.now() - started) / 1000).toFixed(1)} s\n`);
}

function addToHash(hash, path) {
  if (!existsSync(path)) return;
  if (statSync(path).isDirectory())
    for (const name of readdirSync(path).sort()) addToHash(hash, join(path, name));
  else if (/\.(ts|json|mjs)$/.test(path)) hash.update(path).update(readFileSync(path));
}

function npm(...args) {
  const windows = process.platform === 'win32';
  try {
    execFileSync(windows ? 'npm.cmd' : 'npm', args, { stdio: ['ignore', 2, 2], shell: windows });
  } catch {
    console.error(`\nnpm ${args.join(' ')} failed; its message stands above`);
    process.exit(1);
  }
}
