/** What masking would take: memory, time and disk, before any of it is spent. */
import { type EngineName, openEngine } from '../engine/engine.js';
import { measurePasses } from '../engine/measure.js';
import { evaluationPasses } from '../evaluate/evaluation-passes.js';
import { MaskLayout } from '../forward/layout.js';
import { leastShared, savedPositions } from '../forward/shared-prefix.js';
import { trainingSteps } from '../masks/schedule.js';
import { evaluationFlops, type SplitSize, trainingRunFlops } from '../masks/training-cost.js';
import type { Kind } from '../models/components.js';
import type { AttackSettings } from '../settings/attack-settings.js';
import type { EvaluateSettings } from '../settings/run-settings.js';
import type { TrainSettings } from '../settings/train-settings.js';
import type { Split } from '../tasks/splits.js';
import { ranksBefore } from './basis.js';
import type { RunData } from './data.js';
import { checkedKinds, type DecompositionEstimate, estimateDirections } from './decomposition.js';
import { loadingSeconds } from './loading.js';
import type { Subject } from './subject.js';
import { decompositionThreads, planFor, type WorkbenchOptions, workload } from './workbench.js';

export interface RunEstimate {
  engine: EngineName;
  /** Threads that share a batch; on the engine native-gpu, GPUs. */
  workers: number;
  /** Positions, padding included, in one forward and backward pass. */
  micro_batch_tokens: number;
  /** At most; training may end earlier. 0 where masks are there already. */
  steps: number;
  decomposition: DecompositionEstimate;
  /** `read` is what a run's page takes; 0 where there is none. */
  seconds: { decompose: number; load: number; train: number; evaluate: number; read: number };
  /**
   * The larger of decomposition and of what follows it. Over GPUs that counts with what each of its processes takes.
   */
  memory_bytes: number;
  disk_bytes: number;
}

/** What is to be done with masks. */
export interface PlannedWork {
  data: RunData;
  /** Kinds that are masked; null: all. */
  components: readonly Kind[] | null;
  /** As `begin` takes it. */
  batchSize: number;
  /** Null where masks are there already. */
  training: TrainSettings | null;
  /** Null where none are evaluated. */
  evaluation: PlannedEvaluation | null;
}

export interface PlannedEvaluation {
  settings: AttackSettings & Pick<EvaluateSettings, 'controlSeeds' | 'controlPairs'>;
  measured: Split;
  /** What an adversary sees. */
  seen: Split;
  masks: Parameters<typeof evaluationPasses>[1];
}

/** Computes for a moment, to see how fast this machine is; times are good to about a third. */
export async function estimateWork(
  subject: Subject,
  { data, components, batchSize, training, evaluation }: PlannedWork,
  options: Omit<WorkbenchOptions, 'components'>,
): Promise<RunEstimate> {
  const { model } = subject;
  const engine = await openEngine(options);
  const plan = await planFor(subject, workload(data, batchSize), engine, { ...options, components });
  const decomposition = await estimateDirections(model, {
    ...options,
    components,
    workers: decompositionThreads(engine, options),
  });

  const { architecture, qkSplit } = model;
  const layout = new MaskLayout(
    architecture,
    checkedKinds(model, components),
    qkSplit,
    ranksBefore(model, options),
  );
  const masking = { architecture, layout, positions: options.positions };
  const least = leastShared(engine, architecture);
  const sizes: Partial<Record<Split, SplitSize>> = Object.fromEntries(
    Object.entries(data.splits).map(([split, pairs]): [string, SplitSize] => {
      const prompts = pairs.map(({ clean }) => clean);
      const tokens = prompts.reduce((sum, ids) => sum + ids.length, 0);
      return [
        split,
        { pairs: pairs.length, tokens, saved: savedPositions(prompts, plan.passes.train, least) },
      ];
    }),
  );
  const flops = { train: 0, evaluate: 0 };
  if (training) {
    const { train, validation = train } = sizes;
    flops.train = trainingRunFlops(
      masking,
      training,
      { train: train!, validation: validation! },
      plan.passes,
    );
  }
  if (evaluation) {
    const [measured, seen] = [sizes[evaluation.measured]!, sizes[evaluation.seen]!];
    const passes = evaluationPasses(evaluation.settings, evaluation.masks, {
      seen: seen.pairs,
      measured: measured.pairs,
    });
    flops.evaluate = evaluationFlops(masking, { measured, seen }, passes, plan.passes);
  }
  const steps = training ? trainingSteps(training, sizes.train!.pairs) : 0;
  const perSecond = plan.workers * (await measurePasses(engine));
  return {
    engine: engine.name,
    workers: plan.workers,
    micro_batch_tokens: plan.passes.train,
    steps,
    decomposition,
    seconds: {
      decompose: decomposition.seconds,
      load: await loadingSeconds(engine, model, layout.components),
      train: flops.train / perSecond,
      evaluate: flops.evaluate / perSecond,
      read: 0,
    },
    memory_bytes: Math.max(plan.memory, decomposition.memory_bytes),
    disk_bytes: decomposition.disk_bytes + runFolderBytes(layout.size, steps),
  };
}

/** Masks twice, a checkpoint of five vectors, a line of history a step; the page and the figures are small. */
function runFolderBytes(directions: number, steps: number): number {
  return 4 * directions * 7 + 250 * steps + 300_000;
}
