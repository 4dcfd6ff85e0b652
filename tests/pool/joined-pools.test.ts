/** Several pools as one: who gets which job, and what becomes of the jobs of a pool that is lost. */
import { expect, it } from 'vitest';
import { InputError } from '../../src/errors.js';
import { joinedPools } from '../../src/pool/joined-pools.js';
import { LostError } from '../../src/pool/remote-pool.js';
import type { WorkerPool } from '../../src/pool/worker-pool.js';

/** A pool whose jobs end when they are told to, each with the pool's name and the job's. */
class Pool implements WorkerPool {
  readonly sharesMemory = true;
  readonly underway: { name: string; end(error?: Error): void }[] = [];
  closed = false;

  constructor(
    readonly name: string,
    readonly workers: number,
  ) {}

  run<Result>(name: string): Promise<Result> {
    return new Promise((resolve, reject) =>
      this.underway.push({
        name,
        end: (error) => (error ? reject(error) : resolve(`${name} by ${this.name}` as Result)),
      }),
    );
  }

  async close(): Promise<void> {
    this.closed = true;
  }
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

function joined() {
  const [far, near] = [new Pool('far', 2), new Pool('near', 1)];
  const lost: string[] = [];
  const pool = joinedPools([far, near], (why) => lost.push(why));
  return { far, near, pool, lost };
}

const names = (pool: Pool) => pool.underway.map(({ name }) => name);

it('gives jobs to the first pool that has a worker free, and the others in their order as workers get free', async () => {
  const { far, near, pool } = joined();
  expect(pool).toMatchObject({ workers: 3, sharesMemory: false });
  const jobs = ['a', 'b', 'c', 'd', 'e'].map((name) => pool.run(name, null));
  await settled();
  expect([names(far), names(near)]).toEqual([['a', 'b'], ['c']]);
  near.underway[0]!.end();
  await settled();
  expect(names(near)).toEqual(['c', 'd']);
  far.underway[1]!.end();
  await settled();
  expect(names(far)).toEqual(['a', 'b', 'e']);
  for (const { end } of [...far.underway, ...near.underway]) end();
  expect(await Promise.all(jobs)).toEqual(['a by far', 'b by far', 'c by near', 'd by near', 'e by far']);
});

it('has the others do what a pool had underway that is lost, and gives it no more', async () => {
  const { far, near, pool, lost } = joined();
  const jobs = ['a', 'b', 'c', 'd'].map((name) => pool.run(name, null));
  await settled();
  for (const { end } of far.underway) end(new LostError('far: connection lost'));
  for (let job = 0; job < 4; job++) {
    await settled();
    expect(near.underway).toHaveLength(job + 1);
    near.underway[job]!.end();
  }
  expect(await Promise.all(jobs)).toEqual(['a by near', 'b by near', 'c by near', 'd by near']);
  expect(lost).toEqual(['far: connection lost']);
  const later = pool.run('e', null);
  await settled();
  expect([names(far), near.underway.length]).toEqual([['a', 'b'], 5]);
  near.underway[4]!.end();
  expect(await later).toBe('e by near');
});

it('does not do again what was refused', async () => {
  const { far, near, pool, lost } = joined();
  const job = pool.run('a', null);
  await settled();
  far.underway[0]!.end(new InputError('no such layer'));
  await expect(job).rejects.toThrow('no such layer');
  expect([near.underway, lost]).toEqual([[], []]);
});

it('closes all of them', async () => {
  const { far, near, pool } = joined();
  await pool.close();
  expect([far.closed, near.closed]).toEqual([true, true]);
});
