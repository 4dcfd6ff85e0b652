/** How many threads are worth starting here. */
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';

/**
 * Cores that this process may use, at least 1: those that the operating system gives it, and no more than a
 * container's or a job's quota. A thread more than the quota gives would be stopped again and again.
 */
export function coresHere(): number {
  return Math.max(1, Math.min(availableParallelism(), Math.floor(coresOfQuota('/'))));
}

/**
 * The tightest quota, in cores, of the control groups that this process is in; infinite where there is none. A
 * container sees its own group as the root, a job of a batch system lies some groups below it, so all are read.
 * https://docs.kernel.org/admin-guide/cgroup-v2.html and /scheduler/sched-bwc.html (version 1)
 * @param root where `proc` and `sys` lie
 */
export function coresOfQuota(root: string): number {
  const mounts = join(root, 'sys/fs/cgroup');
  const groups = text(join(root, 'proc/self/cgroup')).trim().split('\n');
  const quotas = ['0::/', 'cpu:/', ...groups].flatMap((group) => {
    const [, controllers = '', path = '/'] = /^(?:\d+:)?([^:]*):(.*)$/.exec(group) ?? [];
    const second = controllers === '';
    if (!second && !controllers.split(',').includes('cpu')) return [];
    const places = second ? ['', 'unified'] : ['cpu', 'cpu,cpuacct', 'cpuacct,cpu'];
    return places.flatMap((place) =>
      upwards(path).map((each) => (second ? quotaOf : quotaOfVersion1)(join(mounts, place, each))),
    );
  });
  return Math.min(Number.POSITIVE_INFINITY, ...quotas);
}

/** A path and all that it lies in. */
function upwards(path: string): string[] {
  const above = dirname(path);
  return above === path ? [path] : [path, ...upwards(above)];
}

/** No quota is written as `max`. */
function quotaOf(group: string): number {
  const [quota, period] = text(join(group, 'cpu.max')).split(' ').map(Number);
  return cores(quota, period);
}

/** No quota is written as -1. */
function quotaOfVersion1(group: string): number {
  return cores(Number(text(join(group, 'cpu.cfs_quota_us'))), Number(text(join(group, 'cpu.cfs_period_us'))));
}

function cores(quota: number | undefined, period: number | undefined): number {
  return quota! > 0 && period! > 0 ? quota! / period! : Number.POSITIVE_INFINITY;
}

function text(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
