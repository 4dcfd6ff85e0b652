/** How long something takes on this machine when nothing else has it: what estimates of time are made of. */

/**
 * Starts a clock.
 * @param onProcessor whether all that is timed is the processor's work, so that time in which this process did not have
 *   it does not count. Threads side by side have more of the processor than there is time: then it is the time that counts
 * @returns gives the seconds since
 */
export function stopwatch(onProcessor: boolean): () => number {
  const [started, before] = [performance.now(), process.cpuUsage()];
  return () => {
    const { user, system } = process.cpuUsage(before);
    const seconds = (performance.now() - started) / 1000;
    return onProcessor ? Math.min(seconds, (user + system) / 1e6) : seconds;
  };
}

/**
 * The least of some repetitions: what other programs take away makes one longer and never shorter. The first one warms
 * up and is not counted. Repetitions of a millisecond are measured right beside any load; long ones that take several
 * threads are not.
 * @param options.most seconds to spend, by the clock; at least one repetition is counted
 */
export async function leastSeconds(
  work: () => Promise<void> | void,
  { most = 0.3, onProcessor = true }: { most?: number; onProcessor?: boolean } = {},
): Promise<number> {
  await work();
  const end = performance.now() + 1000 * most;
  let least = Number.POSITIVE_INFINITY;
  do {
    const taken = stopwatch(onProcessor);
    await work();
    least = Math.min(least, taken());
  } while (performance.now() < end);
  return least;
}
