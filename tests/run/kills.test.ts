/** The short form of bench/kills.ts: what is killed and begun again leaves the files of what nobody disturbed. */
import { spawnSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { builtFile } from '../../src/built-file.js';

it.each(['train', 'score'])('%s', (command) => {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [
      builtFile('bench/kills.js'),
      '--kills',
      '2',
      '--steps',
      '10',
      '--repeats',
      '1',
      '--seed',
      '3',
      '--only',
      command,
    ],
    { encoding: 'utf8' },
  );
  expect(status, stdout + stderr).toBe(0);
  expect(stdout).toContain(`${command}: killed 2 times, the same files`);
});
