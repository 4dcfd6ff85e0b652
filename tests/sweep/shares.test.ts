/** How cores and memory are shared out, how a list is cut into shards, and what is predicted. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { inShard, parseShard } from '../../src/sweep/shard.js';
import { Footprints, share, thisMachine } from '../../src/sweep/shares.js';

const GIB = 2 ** 30;

describe('share', () => {
  it.each([
    [{ cores: 8, memory: 32 * GIB, jobs: null }, GIB, 40, { atOnce: 8, coresEach: 1 }],
    [{ cores: 8, memory: 32 * GIB, jobs: null }, 10 * GIB, 40, { atOnce: 3, coresEach: 2 }],
    [{ cores: 8, memory: 32 * GIB, jobs: 2 }, GIB, 40, { atOnce: 2, coresEach: 4 }],
    [{ cores: 8, memory: 32 * GIB, jobs: null }, GIB, 1, { atOnce: 1, coresEach: 8 }],
    [{ cores: 2, memory: GIB, jobs: null }, 9 * GIB, 5, { atOnce: 1, coresEach: 2 }],
  ])('%#', (machine, bytes, runs, wanted) => {
    expect(share(machine, { bytes, threads: 1 }, runs)).toEqual(wanted);
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
          const { atOnce, coresEach } = share(machine, { bytes, threads: 1 }, runs);
          expect(atOnce * coresEach).toBeLessThanOrEqual(machine.cores);
          if (atOnce > 1) expect(atOnce * bytes).toBeLessThanOrEqual(machine.memory);
        },
      ),
    );
  });

  it('leaves room for the threads of each', () => {
    const machine = { cores: 8, memory: 32 * GIB, jobs: null };
    expect(share(machine, { bytes: GIB, threads: 4 }, 40)).toEqual({ atOnce: 2, coresEach: 4 });
    expect(share(machine, { bytes: GIB, threads: 99 }, 40)).toEqual({ atOnce: 1, coresEach: 8 });
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

describe('shards', () => {
  it('cut any list into parts that share nothing and leave nothing out', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 0, max: 50 }), (count, length) => {
        for (let position = 0; position < length; position++) {
          const parts = Array.from({ length: count }, (_, i) => i + 1).filter((index) =>
            inShard(position, { index, count }),
          );
          expect(parts).toHaveLength(1);
        }
      }),
    );
  });

  it('are named by part and number of parts', () => {
    expect(parseShard('2/4')).toEqual({ index: 2, count: 4 });
    for (const wrong of ['0/4', '5/4', '2', 'a/b', '-1/4', '1/0'])
      expect(() => parseShard(wrong)).toThrow(`--shard ${wrong}: give part and number of parts`);
  });
});
