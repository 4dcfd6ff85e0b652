/** Users without a home folder, results that cannot be written, readers that have read enough. */
import { spawnSync } from 'node:child_process';
import { closeSync, existsSync, openSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { builtFile } from '../../src/built-file.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const MAIN = builtFile('cli/main.js');
const MODEL = ['model', 'embedded', '--engine', 'wasm'];
const folder = temporaryFolder();

/** A user whom the system does not know can be had by root alone, and must be let in everywhere above the program. */
function knowsNobody(): boolean {
  if (process.getuid?.() !== 0) return false;
  for (let place = dirname(MAIN); place !== dirname(place); place = dirname(place))
    if ((statSync(place).mode & 0o5) !== 0o5) return false;
  return true;
}

describe.skipIf(!knowsNobody())('a user without a home folder (as root only)', () => {
  const asNobody = (args: string[], environment: NodeJS.ProcessEnv) =>
    spawnSync(process.execPath, [MAIN, ...args], {
      uid: 12345,
      gid: 12345,
      env: { PATH: process.env.PATH, ...environment },
      encoding: 'utf8',
      cwd: '/',
    });

  it('goes on without the cache', () => {
    const { status, stdout } = asNobody(MODEL, {});
    expect(status).toBe(0);
    expect(stdout).toContain('30 components, 780 directions');
  });

  it.each([
    [{}, /no home folder .* set ORTHOSCOPE_CACHE/],
    [{ HOME: '/' }, /\/\.cache: permission denied; .* --store, or set ORTHOSCOPE_CACHE/],
  ])('is told where directions can be stored, %j', (environment, message) => {
    const { status, stderr } = asNobody(['decompose', 'embedded'], environment);
    expect(stderr).toMatch(message);
    expect(stderr.trim()).not.toContain('\n');
    expect(status).toBe(2);
  });
});

describe.skipIf(!existsSync('/dev/full'))('a result that cannot be written', () => {
  it('is said in one line', () => {
    const full = openSync('/dev/full', 'w');
    const { status, stderr } = spawnSync(process.execPath, [MAIN, ...MODEL, '--json'], {
      stdio: ['ignore', full, 'pipe'],
      encoding: 'utf8',
    });
    closeSync(full);
    expect(stderr).toBe('orthoscope: standard output: no space left on the disk\n');
    expect(status).toBe(2);
  });

  it('is let go where it is progress', () => {
    const full = openSync('/dev/full', 'w');
    const { status, stdout } = spawnSync(
      process.execPath,
      [MAIN, 'decompose', 'embedded', '--store', join(folder, 'store'), '--json'],
      { stdio: ['ignore', 'pipe', full], encoding: 'utf8' },
    );
    closeSync(full);
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toBeTypeOf('object');
  });
});

it.skipIf(process.platform === 'win32')('ends quietly where its reader has read enough', () => {
  const { stderr, stdout } = spawnSync('sh', ['-c', '"$0" "$@" | true', process.execPath, MAIN, ...MODEL], {
    encoding: 'utf8',
  });
  expect(stderr).toBe('');
  expect(stdout).toBe('');
});
