/** How long something takes on this machine when nothing else has it: what estimates of time are made of. */

export interface Repetitions {
  /** Seconds to spend; at least one repetition is counted. */
  most?: number;
  /** Whether all the work is the processor's, so that time in which this process did not have it does not count. */
  onProcessor?: boolean;
}

/**
 * The least of some repetitions: what other programs take away makes one longer and never shorter. The first one warms
 * up and is not counted. Repetitions of a millisecond are measured right beside any load; long ones that take several
 * threads are not.
 */
export async function leastSeconds(
  work: () => Promise<void> | void,
  { most = 0.3, onProcessor = true }: Repetitions = {},
): Promise<number> {
  await work();
  let least = Number.POSITIVE_INFINITY;
  let spent = 0;
  while (spent < most) {
    const [started, before] = [performance.now(), process.cpuUsage()];
    await work();
    const { user, system } = process.cpuUsage(before);
    const seconds = (performance.now() - started) / 1000;
    // Threads that work side by side have more of the processor than there is time.
    least = Math.min(least, onProcessor ? Math.min(seconds, (user + system) / 1e6) : seconds);
    spent += seconds;
  }
  return least;
}
