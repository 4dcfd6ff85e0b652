/** How many threads are started within a container or a batch system's job. */
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import { coresHere, coresOfQuota } from '../src/cores.js';
import { temporaryFolder } from './support/temporary-folder.js';

const folder = temporaryFolder();

function machine(files: Record<string, string>): string {
  const root = mkdtempSync(join(folder, 'root-'));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), `${text}\n`);
  }
  return root;
}

const V1 = 'sys/fs/cgroup/cpu,cpuacct';
const JOB = 'system.slice/job.scope';

it.each<[string, Record<string, string>, number]>([
  ['nothing', {}, Number.POSITIVE_INFINITY],
  ['no quota, version 2', { 'sys/fs/cgroup/cpu.max': 'max 100000' }, Number.POSITIVE_INFINITY],
  ['no quota, version 1', { 'sys/fs/cgroup/cpu/cpu.cfs_quota_us': '-1' }, Number.POSITIVE_INFINITY],
  ["a container's, version 2", { 'sys/fs/cgroup/cpu.max': '250000 100000' }, 2.5],
  [
    "a container's, version 1",
    { [`${V1}/cpu.cfs_quota_us`]: '50000', [`${V1}/cpu.cfs_period_us`]: '100000' },
    0.5,
  ],
  [
    "a job's group within groups, the tightest of them",
    {
      'proc/self/cgroup': `0::/${JOB}`,
      'sys/fs/cgroup/system.slice/cpu.max': '300000 100000',
      [`sys/fs/cgroup/${JOB}/cpu.max`]: '400000 100000',
    },
    3,
  ],
  [
    "a job's group, version 1",
    {
      'proc/self/cgroup': '7:memory:/other\n4:cpu,cpuacct:/a:b\n0::/',
      [`${V1}/a:b/cpu.cfs_quota_us`]: '600000',
      [`${V1}/a:b/cpu.cfs_period_us`]: '100000',
    },
    6,
  ],
  ['what is no quota', { 'sys/fs/cgroup/cpu.max': 'nonsense' }, Number.POSITIVE_INFINITY],
])('%s', (_, files, cores) => {
  expect(coresOfQuota(machine(files))).toBe(cores);
});

it('is at least one and at most what the operating system gives', () => {
  expect(coresHere()).toBeGreaterThanOrEqual(1);
  expect(coresHere()).toBeLessThanOrEqual(availableParallelism());
});
