import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { leastSeconds } from '../src/least-seconds.js';

describe('the least of some repetitions', () => {
  it('leaves the first one out', async () => {
    let calls = 0;
    const seconds = await leastSeconds(() => sleep(calls++ === 0 ? 0 : 40), {
      most: 0.01,
      onProcessor: false,
    });
    expect(calls).toBe(2);
    expect(seconds).toBeGreaterThan(0.035);
  });

  it('does not count time in which the processor did something else', async () => {
    expect(await leastSeconds(() => sleep(200), { most: 0.1 })).toBeLessThan(0.1);
  });
});
