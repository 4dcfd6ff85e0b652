/** What a sweep will cost, as far as it can be known before: from its own finished runs, or else from arithmetic. */

import { maskVectors } from '../evaluate/evaluate.js';
import { trainingSteps } from '../masks/train.js';
import { Footprints, jobsAtOnce, type Machine } from '../queue/machine.js';
import { TASKS } from '../tasks/tasks.js';
import type { RunRow } from './results.js';
import type { PlannedRun, RunJob } from './run-job.js';

/** Tokens of a prompt, where nothing is known. */
const TOKENS = 16;
/** A gradient step costs about as much as three forward passes. */
const STEP = 3;
/** Share of an engine's speed in one large product that a run reaches. */
const EFFICIENCY = 0.15;
/** Seconds to start a process, open the model and write the report. */
const START = 3;

/** Arithmetic of a run, in floating-point operations. */
function workOf({ job, weightBytes }: Pick<PlannedRun, 'job' | 'weightBytes'>): number {
  const { settings } = job;
  const { trainPairs, validationPairs, testPairs } = sizes(job);
  const steps = trainingSteps(settings, trainPairs);
  const rounds = settings.roundingSteps > 0;
  const forwardPasses =
    2 * (trainPairs + validationPairs + testPairs) +
    STEP * steps * settings.batchSize +
    Math.ceil(steps / settings.validateEvery) * validationPairs +
    maskVectors(settings.controlSeeds, { isBinary: rounds, wasRounded: rounds }) * testPairs;
  return forwardPasses * TOKENS * 2 * (weightBytes / 4);
}

function sizes({ settings }: RunJob) {
  const own = TASKS.find(({ name }) => name === settings.task)?.counts;
  return {
    trainPairs: settings.trainPairs ?? own?.train ?? 1000,
    validationPairs: settings.validationPairs ?? own?.validation ?? 200,
    testPairs: settings.testPairs ?? own?.test ?? 200,
  };
}

export interface Prediction {
  /** Wall-clock seconds. */
  seconds: number;
  /** Bytes in use at once. */
  memory: number;
  /** Runs at once, at the start. */
  at_once: number;
  /** Whether finished runs of this sweep were measured; else it is a guess. */
  measured: boolean;
}

/**
 * @param pending runs to do
 * @param finished pairs of a run and its result, from this sweep
 * @param gflops speed of the engine in a large product, for guesses
 */
export function predict(
  pending: readonly PlannedRun[],
  finished: readonly { run: PlannedRun; result: RunRow }[],
  machine: Machine,
  gflops: number,
): Prediction {
  const sum = <Item>(items: readonly Item[], of: (item: Item) => number) =>
    items.reduce((total, item) => total + of(item), 0);
  const bytes = Math.max(0, ...pending.map((run) => new Footprints().bytes('', run.weightBytes)));
  const { atOnce } = jobsAtOnce(
    machine,
    { bytes, threads: pending[0]?.job.settings.workers ?? 1 },
    Math.max(1, pending.length),
  );
  const measured = finished.length > 0;
  const rate = measured
    ? sum(finished, ({ run }) => workOf(run)) / sum(finished, ({ result }) => result.seconds)
    : gflops * 1e9 * EFFICIENCY;
  const alone = sum(pending, workOf) / rate + (measured ? 0 : START * pending.length);
  return { seconds: alone / atOnce, memory: atOnce * bytes, at_once: atOnce, measured };
}
