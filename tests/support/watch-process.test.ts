/** The suite fails on files that nobody closes and on warnings, also where a process far down causes them. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { temporaryFolder } from './temporary-folder.js';

const folder = temporaryFolder();

/** What a process that runs this program leaves to complain of. */
function complaintsOf(name: string, program: string): string {
  const log = join(folder, name);
  // With the preload that this process's own children inherit.
  const env = { ...process.env, ORTHOSCOPE_TEST_COMPLAINTS: log };
  execFileSync(process.execPath, ['--input-type=module', '-e', program], { env, stdio: 'ignore' });
  return existsSync(log) ? readFileSync(log, 'utf8') : '';
}

const open = `import { open } from 'node:fs/promises'; const file = await open(process.execPath); `;

it('a file that stays open, its path and who opened it', () => {
  expect(complaintsOf('open', open)).toMatch(/ is still open; it was opened\n.*eval/s);
});

it('a file that is forgotten, whenever its handle is collected', () => {
  const forgotten = `await (async () => { await open(process.execPath); })();`;
  const collect = `import v8 from 'node:v8'; import vm from 'node:vm'; v8.setFlagsFromString('--expose-gc');
    for (let i = 0; i < 3; i++) { vm.runInNewContext('gc')(); await new Promise(setImmediate); }`;
  expect(
    complaintsOf('collected', `import { open } from 'node:fs/promises'; ${forgotten} ${collect}`),
  ).not.toBe('');
});

it('a warning', () => {
  expect(complaintsOf('warning', `process.emitWarning('take care', 'DeprecationWarning')`)).toContain(
    'take care',
  );
});

it('nothing where all is well', () => {
  expect(complaintsOf('closed', `${open} await file.close();`)).toBe('');
});
