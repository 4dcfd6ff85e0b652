/**
 * Makes a fresh clone ready: installs what package-lock.json names, compiles AssemblyScript and TypeScript.
 * Each npm script that a newcomer types starts with it, because `ignore-scripts` switches pre-scripts off.
 * With `--build` it only compiles: Vitest starts with that, because tests run the compiled workers and commands.
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

if (!process.argv.includes('--build'))
  step('install', 'node_modules/.orthoscope-stamp', ['package-lock.json'], [], () =>
    npm('ci', '--no-audit', '--no-fund', '--loglevel=error'),
  );
step(
  'build kernels',
  'dist/wasm/.stamp',
  ['assembly', 'asconfig.json', 'package-lock.json'],
  ['dist/wasm'],
  () => npm('run', '--silent', 'build:wasm'),
);
const sources = ['src', 'assembly', 'cli', 'models', 'bench'];
step(
  'build',
  'dist/.stamp',
  [...sources, 'scripts/bundle-explorer.mjs', 'tsconfig.json', 'package-lock.json'],
  [...sources, 'explorer'].map((folder) => `dist/${folder}`),
  () => npm('run', '--silent', 'build:ts'),
);

/** Runs `work` unless the stamp file says that these outputs were made of these inputs. */
function step(name, stamp, inputs, outputs, work) {
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === hashOf([...inputs, ...outputs])) return;
  const started = Date.now();
  process.stderr.write(`${name} … `);
  work();
  mkdirSync(join(stamp, '..'), { recursive: true });
  writeFileSync(stamp, hashOf([...inputs, ...outputs]));
  process.stderr.write(`${((Date.now() - started) / 1000).toFixed(1)} s\n`);
}

function hashOf(paths) {
  const hash = createHash('sha256');
  for (const path of paths) addToHash(hash, path);
  return hash.digest('hex');
}

function addToHash(hash, path) {
  if (!existsSync(path)) return;
  if (statSync(path).isDirectory())
    for (const name of readdirSync(path).sort()) addToHash(hash, join(path, name));
  else if (/\.(tsx?|css|js|mjs|json|wasm)$/.test(path)) hash.update(path).update(readFileSync(path));
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
