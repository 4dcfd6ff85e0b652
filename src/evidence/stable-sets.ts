/** What several circuits agree on: their core, what comes and goes, and what only few of them keep. */

export interface StableSets {
  /** Of each direction, how many circuits keep it. */
  counts: number[];
  /** Places of directions that all keep, that some keep, that few keep; together the union. */
  core: number[];
  contingent: number[];
  noise: number[];
  union: number[];
}

/**
 * @param circuits at least one, each 1 where it keeps a direction, else 0
 * @param noise what is kept by one circuit, or by no more than this share of them, is noise unless that is all of them
 */
export function stableSets(circuits: readonly Float32Array[], noise: number): StableSets {
  const n = circuits.length;
  const counts = Array.from(circuits[0]!, (_, at) =>
    circuits.reduce((sum, circuit) => sum + circuit[at]!, 0),
  );
  const few = Math.max(1, Math.floor(noise * n));
  const where = (holds: (count: number) => boolean) =>
    counts.flatMap((count, at) => (holds(count) ? [at] : []));
  return {
    counts,
    core: where((count) => count === n),
    contingent: where((count) => count < n && count > few),
    noise: where((count) => count > 0 && count < n && count <= few),
    union: where((count) => count > 0),
  };
}
