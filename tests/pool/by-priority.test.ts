import fc from 'fast-check';
import { expect, it } from 'vitest';
import { ByPriority } from '../../src/pool/by-priority.js';

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

it('starts the highest of those that wait; equals in the order in which they came', async () => {
  const order = new ByPriority(1);
  const began: string[] = [];
  const priorities = { first: 1, low: 10, high: Number.POSITIVE_INFINITY, lowToo: 10, middle: 100 };
  const jobs = Object.entries(priorities).map(([name, priority]) => ({ ...job(name, began), priority }));
  const results = jobs.map(({ start, priority }) => order.run(priority, start));
  for (let i = 0; i < jobs.length; i++) {
    await turn();
    expect(began).toHaveLength(i + 1);
    jobs[Object.keys(priorities).indexOf(began.at(-1)!)]!.end();
  }
  expect(began).toEqual(['first', 'high', 'middle', 'low', 'lowToo']);
  expect(await Promise.all(results)).toEqual(Object.keys(priorities));
});

it('goes on after a job that failed', async () => {
  const order = new ByPriority(2);
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
        const order = new ByPriority(width);
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
