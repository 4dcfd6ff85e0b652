/** What a sweep will cost, as far as it can be known before: from its own finished runs, or else from arithmetic. */
import { evaluationPasses } from '../evaluate/evaluation-passes.js';
import { MaskLayout } from '../forward/layout.js';
import { hasFixedPast } from '../forward/past.js';
import { evaluationFlops, type SplitSize, trainingRunFlops } from '../masks/training-cost.js';
import { Footprints, jobsAtOnce, type Machine } from '../queue/machine.js';
import { ranksBefore } from '../run/basis.js';
import type { Split } from '../tasks/splits.js';
import { TASKS } from '../tasks/tasks.js';
import type { RunRow } from './results.js';
import type { PlannedRun, RunJob } from './run-job.js';

/** Tokens of a prompt, where nothing is known. */
const TOKENS = 16;
/** Seconds to start a process, open the model and write the report. */
const START = 3;

/** Operations of a run. */
function workOf({ job, architecture }: Pick<PlannedRun, 'job' | 'architecture'>): number {
  const { settings } = job;
  const { components, positions, qkSplit: by, rotaryOffsets: offsets } = settings;
  const qkSplit = { by, offsets };
  const ranks = ranksBefore({ architecture, qkSplit }, settings);
  const layout = new MaskLayout(architecture, components ?? undefined, qkSplit, ranks);
  const masking = { architecture, layout, positions };
  const splits = sizes(job);
  const passes = { keepPast: hasFixedPast(masking) };
  const { train: seen, test: measured } = splits;
  const evaluation = evaluationPasses(
    settings,
    { isBinary: settings.roundingSteps > 0, wasRounded: settings.roundingSteps > 0 },
    { seen: seen.pairs, measured: measured.pairs },
  );
  return (
    trainingRunFlops(masking, settings, splits, passes) +
    evaluationFlops(masking, { measured, seen }, evaluation, passes)
  );
}

function sizes({ settings }: RunJob): Record<Split, SplitSize> {
  const own = TASKS.find(({ name }) => name === settings.task)?.counts;
  const sizeOf = (asked: number | null, split: Split, unknown: number): SplitSize => {
    const pairs = asked ?? own?.[split] ?? unknown;
    return { pairs, tokens: pairs * TOKENS };
  };
  return {
    train: sizeOf(settings.trainPairs, 'train', 1000),
    validation: sizeOf(settings.validationPairs, 'validation', 200),
    test: sizeOf(settings.testPairs, 'test', 200),
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
 * @param speed floating-point operations a second that passes of the engine reach, for guesses
 */
export function predict(
  pending: readonly PlannedRun[],
  finished: readonly { run: PlannedRun; result: RunRow }[],
  machine: Machine,
  speed: number,
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
    : speed;
  const alone = sum(pending, workOf) / rate + (measured ? 0 : START * pending.length);
  return { seconds: alone / atOnce, memory: atOnce * bytes, at_once: atOnce, measured };
}
