/** Fails a test file whose process, or a process that it started, got a warning from Node or left a file open. */
import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect } from 'vitest';

const watch = fileURLToPath(new URL('watch-process.cjs', import.meta.url));
const { complaints } = createRequire(import.meta.url)(watch) as { complaints: () => string[] };

// Made by the first complaint: no hook runs in a file whose tests are all skipped, and would take a folder away.
const log = join(tmpdir(), `orthoscope-watch-${randomUUID()}`);
process.env.ORTHOSCOPE_TEST_COMPLAINTS = log;
process.env.NODE_OPTIONS = `${process.env.NODE_OPTIONS ?? ''} --require ${JSON.stringify(watch)}`;

// Registered first, so that it runs after every other hook of the file.
afterAll(() => {
  const ofChildren = existsSync(log) ? readFileSync(log, 'utf8') : '';
  rmSync(log, { force: true });
  expect([...complaints(), ofChildren].join('\n').trim(), 'warnings and open files').toBe('');
});
