import { spawnSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { expect, it, vi } from 'vitest';
import { LOCK, lockFolder } from '../../src/formats/folder-lock.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const folder = temporaryFolder();
const path = join(folder, LOCK);

it('keeps others out until it is given back', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'Date'], shouldAdvanceTime: true, advanceTimeDelta: 2000 });
  const giveBack = await lockFolder(folder);
  await expect(lockFolder(folder)).rejects.toThrow(/another process is at work in it/);
  await giveBack();
  await (await lockFolder(folder))();
  expect(existsSync(path)).toBe(false);
  vi.useRealTimers();
});

it('does not outlive its process', async () => {
  const { stdout } = spawnSync(process.execPath, ['-p', 'process.pid'], { encoding: 'utf8' });
  writeFileSync(path, `${hostname()} ${stdout.trim()} 12345`);
  await (await lockFolder(folder))();
  // The number is in use again, by another process.
  writeFileSync(path, `${hostname()} ${process.ppid} 1`);
  await (await lockFolder(folder))();
});
