/**
 * Shows that the package works under Yarn's Plug'n'Play, where there is no node_modules and packages stay zipped: packs
 * it, installs it with Yarn 4 from npm into a temporary folder, and has it decompose, train, score and report there.
 * Usage, after `npm run build`: node scripts/yarn-pnp.mjs
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const YARN = '@yarnpkg/cli-dist@4';

const project = fileURLToPath(new URL('..', import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), 'orthoscope-pnp-'));
const here = join(scratch, 'app');
const text = (file, args, cwd) =>
  execFileSync(file, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
try {
  const npm = ['install', '--prefix', scratch, '--no-save', '--loglevel=error', YARN];
  execFileSync('npm', npm, { stdio: ['ignore', 2, 2] });
  execFileSync('mkdir', [here]);
  const packed = text(
    'npm',
    ['pack', project, '--ignore-scripts', '--silent', `--pack-destination=${scratch}`],
    scratch,
  ).trim();
  renameSync(join(scratch, packed), join(here, 'orthoscope.tgz'));
  writeFileSync(
    join(here, 'package.json'),
    '{"name":"app","private":true,"dependencies":{"orthoscope":"file:./orthoscope.tgz"}}',
  );
  const registry = text('npm', ['config', 'get', 'registry'], scratch).trim();
  writeFileSync(
    join(here, '.yarnrc.yml'),
    `nodeLinker: pnp\nenableScripts: false\nenableTelemetry: false\nenableGlobalCache: false\nnpmRegistryServer: ${registry}\n`,
  );
  writeFileSync(join(here, 'yarn.lock'), '');
  const yarn = (...args) =>
    execFileSync(process.execPath, [join(scratch, 'node_modules/@yarnpkg/cli-dist/bin/yarn.js'), ...args], {
      cwd: here,
      stdio: ['ignore', 2, 2],
      // Where `CI` is set, Yarn takes a lockfile that it has to write for a mistake.
      env: {
        ...process.env,
        ORTHOSCOPE_CACHE: join(scratch, 'cache'),
        YARN_ENABLE_IMMUTABLE_INSTALLS: 'false',
      },
    });
  yarn('install');
  if (existsSync(join(here, 'node_modules'))) throw new Error('Yarn made a node_modules');
  const sizes = ['--train-pairs', '16', '--validation-pairs', '8', '--test-pairs', '8', '--steps', '2'];
  const few = [...sizes, '--rounding-steps', '1', '--attack', '1', '--control-seeds', '1', '--workers', '2'];
  yarn('exec', 'orthoscope', 'run', '--engine', 'wasm', '--out', 'run', ...few);
  writeFileSync(join(here, 'prompts.jsonl'), '{"clean":"When Mary and John went to the store"}\n');
  yarn(
    'exec',
    'orthoscope',
    'score',
    'run',
    '--engine',
    'wasm',
    '--data',
    'prompts.jsonl',
    '--out',
    'scores',
  );
  for (const file of ['run/report.html', 'run/masks.safetensors', 'scores/directions.parquet'])
    if (!existsSync(join(here, file))) throw new Error(`${file} is missing`);
  console.log("works under Yarn's Plug'n'Play: run and score");
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
