/** Several pools as one. */
import { LostError } from './remote-pool.js';
import type { WorkerPool } from './worker-pool.js';

interface Member {
  pool: WorkerPool;
  running: number;
  lost: boolean;
}

/**
 * A job goes to the first pool that has a worker free, so that as many jobs as workers, given at once, always go to the
 * same ones. What a pool had underway that is lost is done by the others; the last one must not be lost.
 * @param onLost hears of a pool that is
 */
export function joinedPools(pools: readonly WorkerPool[], onLost: (why: string) => void): WorkerPool {
  const members = pools.map((pool): Member => ({ pool, running: 0, lost: false }));
  const waiting: ((member: Member) => void)[] = [];

  function taken(): Member | Promise<Member> {
    const free = members.find(({ pool, running, lost }) => !lost && running < pool.workers);
    if (!free) return new Promise((resolve) => waiting.push(resolve));
    free.running++;
    return free;
  }

  /** The place is handed on, not given back: otherwise a job that comes now could slip in between. */
  function released(member: Member): void {
    const next = member.lost ? undefined : waiting.shift();
    if (next) next(member);
    else member.running--;
  }

  return {
    workers: pools.reduce((sum, { workers }) => sum + workers, 0),
    sharesMemory: false,
    async run<Result>(name: string, job: unknown, signal?: AbortSignal): Promise<Result> {
      for (;;) {
        const member = await taken();
        try {
          return await member.pool.run<Result>(name, job, signal);
        } catch (error) {
          if (!(error instanceof LostError)) throw error;
          if (!member.lost) onLost(error.message);
          member.lost = true;
        } finally {
          released(member);
        }
      }
    },
    close: async () => {
      await Promise.all(pools.map((pool) => pool.close()));
    },
  };
}
