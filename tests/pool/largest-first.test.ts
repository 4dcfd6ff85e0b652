import fc from 'fast-check';
import { expect, it } from 'vitest';
import { LargestFirst } from '../../src/pool/largest-first.js';

/** A job that ends when told to, and notes that it began. */
function job(name: string, began: string[]) {
  let end!: (error?: Error) => void;
  const ended = new Promise<void>((resolve, reject) => {
    end = (error) => (error ? reject(error) : resolve());
  });
  const start = async () => {
    began.push(name);
    await ended;
    return name;
  };
  return { start, end };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

it('starts the largest of those that wait; equals in the order in which they came', async () => {
  const order = new LargestFirst(1);
  const began: string[] = [];
  const costs = { first: 1, small: 10, large: 1000, smallToo: 11, middle: 100 };
  const jobs = Object.entries(costs).map(([name, cost]) => ({ ...job(name, began), cost }));
  const results = jobs.map(({ start, cost }) => order.run(cost, start));
  for (let i = 0; i < jobs.length; i++) {
    await turn();
    expect(began).toHaveLength(i + 1);
    jobs[Object.keys(costs).indexOf(began.at(-1)!)]!.end();
  }
  expect(began).toEqual(['first', 'large', 'middle', 'small', 'smallToo']);
  expect(await Promise.all(results)).toEqual(Object.keys(costs));
});

it('goes on after a job that failed', async () => {
  const order = new LargestFirst(2);
  const failing = order.run(1, async () => {
    throw new Error('no');
  });
  await expect(failing).rejects.toThrow('no');
  expect(await Promise.all([1, 2, 3].map((x) => order.run(x, async () => x)))).toEqual([1, 2, 3]);
});

it('never runs more than its width, and runs everything', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 4 }),
      fc.array(fc.tuple(fc.double({ min: 1, max: 1e12, noNaN: true }), fc.integer({ min: 0, max: 3 }))),
      async (width, jobs) => {
        const order = new LargestFirst(width);
        let [running, most, ran] = [0, 0, 0];
        await Promise.all(
          jobs.map(([cost, turns]) =>
            order.run(cost, async () => {
              most = Math.max(most, ++running);
              for (let i = 0; i < turns; i++) await null;
              running--;
              ran++;
            }),
          ),
        );
        expect(ran).toBe(jobs.length);
        expect(most).toBeLessThanOrEqual(width);
      },
    ),
    { numRuns: 50 },
  );
});
