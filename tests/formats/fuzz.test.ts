/** The short form of bench/fuzz.ts: hostile inputs for everything that reads what others wrote. */
import { spawnSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { builtFile } from '../../src/built-file.js';

it('every parser takes what it is given or refuses it in one line', () => {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [builtFile('bench/fuzz.js'), '--inputs', '3000', '--seed', '1'],
    { encoding: 'utf8' },
  );
  expect(
    stdout.split('\n').filter((line) => /FAULT|HANGS|ENDS/.test(line)),
    stderr,
  ).toEqual([]);
  expect(status, stdout + stderr).toBe(0);
});
