/** The short form of bench/interrupts.ts: Ctrl-C is answered at once, and no manifest says `running` after it. */
import { spawnSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { builtFile } from '../../src/built-file.js';

it.each(['train', 'score'])('%s', (stage) => {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    // On a machine that others use as well, five seconds may be more.
    [builtFile('bench/interrupts.js'), '--only', stage, '--within', '20'],
    // A process that leaves at once, on the second Ctrl-C, leaves its open files to the system.
    { encoding: 'utf8', env: { ...process.env, NODE_OPTIONS: '' } },
  );
  expect(status, stdout + stderr).toBe(0);
  expect(stdout).toMatch(/\n0 faults\n$/);
});
