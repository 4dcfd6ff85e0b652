/** How cores and memory are shared out. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Footprints, jobsAtOnce, thisMachine } from '../../src/queue/machine.js';

const GIB = 2 ** 30;

describe('jobs at once', () => {
  it.each([
    [{ cores: 8, memory: 32 * GIB, jobs: null }, GIB, 40, { atOnce: 8, coresEach: 1 }],
    [{ cores: 8, memory: 32 * GIB, jobs: null }, 10 * GIB, 40, { atOnce: 3, coresEach: 2 }],
    [{ cores: 8, memory: 32 * GIB, jobs: 2 }, GIB, 40, { atOnce: 2, coresEach: 4 }],
    [{ cores: 8, memory: 32 * GIB, jobs: null }, GIB, 1, { atOnce: 1, coresEach: 8 }],
    [{ cores: 2, memory: GIB, jobs: null }, 9 * GIB, 5, { atOnce: 1, coresEach: 2 }],
  ])('%#', (machine, bytes, runs, wanted) => {
    expect(jobsAtOnce(machine, { bytes, threads: 1 }, runs)).toEqual(wanted);
  });

  it('never gives away more cores than there are, nor more memory while more than one runs', () => {
    fc.assert(
      fc.property(
        fc.record({
          cores: fc.integer({ min: 1, max: 128 }),
          memory: fc.integer({ min: 1, max: 1e6 }),
          jobs: fc.constant(null),
        }),
        fc.integer({ min: 1, max: 1e6 }),
        fc.integer({ min: 1, max: 200 }),
        (machine, bytes, runs) => {
          const { atOnce, coresEach } = jobsAtOnce(machine, { bytes, threads: 1 }, runs);
          expect(atOnce * coresEach).toBeLessThanOrEqual(machine.cores);
          if (atOnce > 1) expect(atOnce * bytes).toBeLessThanOrEqual(machine.memory);
        },
      ),
    );
  });

  it('leaves room for the threads of each', () => {
    const machine = { cores: 8, memory: 32 * GIB, jobs: null };
    expect(jobsAtOnce(machine, { bytes: GIB, threads: 4 }, 40)).toEqual({ atOnce: 2, coresEach: 4 });
    expect(jobsAtOnce(machine, { bytes: GIB, threads: 99 }, 40)).toEqual({ atOnce: 1, coresEach: 8 });
  });

  it('knows this machine', () => {
    expect(thisMachine().cores).toBeGreaterThan(0);
    expect(thisMachine({ jobs: 3, memory: 5 })).toMatchObject({ jobs: 3, memory: 5 });
  });
});

it('replaces a guess at memory by the largest that was measured', () => {
  const footprints = new Footprints();
  const guess = footprints.bytes('a', GIB);
  expect(guess).toBeGreaterThan(GIB);
  footprints.measured('a', 3 * GIB);
  footprints.measured('a', 2 * GIB);
  expect(footprints.bytes('a', GIB)).toBe(3 * GIB);
  expect(footprints.bytes('b', GIB)).toBe(guess);
});
