/**
 * Whether training had settled on its masks when it ended (docs/maths.md, "Settled masks"): what a count of directions is
 * worth hangs on it. Read from a run's record of its steps and from its soft masks, and nowhere else defined.
 */
import type { HistoryLine } from '../formats/run-folder.js';
import type { Settling } from './metrics-file.js';

/** Share of a phase's last steps, whose mean Σm is held against that of as many steps before. */
const LAST = 0.2;
/** The most by which the two may differ, as a share of Σm at the end and of the way that Σm has come. */
const MOST = 0.05;
/** Soft masks between these have decided neither for their direction nor against it. */
const UNDECIDED = [0.05, 0.95] as const;

/**
 * @param history of all steps; lines of validations are passed over
 * @param soft masks at the end of the soft phase, by component
 * @returns null where nothing was trained
 */
export function settlingOf(history: readonly HistoryLine[], soft: Iterable<Float32Array>): Settling | null {
  const [softSums, roundingSums] = [sums(history, 'soft'), sums(history, 'rounding')];
  if (softSums.length === 0) return null;
  const [start, end] = [softSums[0]!, softSums.at(-1)!];
  const drift = { soft: driftOf(softSums), rounding: driftOf(roundingSums) };
  let [undecided, directions] = [0, 0];
  for (const masks of soft) {
    directions += masks.length;
    for (const mask of masks) undecided += Number(mask > UNDECIDED[0] && mask < UNDECIDED[1]);
  }
  return {
    steps: { soft: softSums.length, rounding: roundingSums.length },
    sum: { start, end },
    drift,
    undecided,
    directions,
    unsettled: unsettled(drift, roundingSums.length > 0, Math.abs(start - end) / end),
  };
}

/** @param way how far Σm has come in the soft phase, as a share of its end like the drifts */
function unsettled(
  { soft, rounding }: Settling['drift'],
  wasRounded: boolean,
  way: number,
): Settling['unsettled'] {
  if (soft === null || (wasRounded && rounding === null)) return 'too few steps';
  if (Math.abs(soft) > MOST) return 'soft masks moved';
  // Σm hardly moves at the start, either.
  if (Math.abs(soft) > MOST * way) return 'soft masks near their start';
  return rounding !== null && Math.abs(rounding) > MOST ? 'kept directions moved' : null;
}

/** Σm of each training step of a phase. */
function sums(history: readonly HistoryLine[], phase: string): number[] {
  return history.flatMap((line) =>
    line.phase === phase && line.validation !== true && typeof line.l1 === 'number' ? [line.l1] : [],
  );
}

/** By how much mean Σm moved from the steps before the last ones to these, as a share of it; null for one step or none. */
function driftOf(steps: readonly number[]): number | null {
  if (steps.length < 2) return null;
  const window = Math.max(1, Math.floor(LAST * steps.length));
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const last = mean(steps.slice(-window));
  return last === 0 ? 0 : (last - mean(steps.slice(-2 * window, -window))) / last;
}
