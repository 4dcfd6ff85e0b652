/** What a training run would take: memory, time and disk, before any of it is spent. */
import { type EngineName, openEngine } from '../engine/engine.js';
import { measureMatMul } from '../engine/measure.js';
import { evaluationPasses } from '../evaluate/evaluation-passes.js';
import { MaskLayout } from '../forward/layout.js';
import { trainingSteps } from '../masks/schedule.js';
import { NO_EVALUATION, runFlops, type SplitSize, STEP_SPEED } from '../masks/training-cost.js';
import type { Listener } from '../progress.js';
import type { AttackSettings } from '../settings/attack-settings.js';
import type { Settings } from '../settings/commands.js';
import { SPLITS } from '../tasks/splits.js';
import { ranksBefore } from './basis.js';
import { checkedData } from './begin.js';
import { checkedKinds, type DecompositionEstimate, estimateDirections } from './decomposition.js';
import { withSubject } from './subject.js';
import { decompositionThreads, planFor, workload } from './workbench.js';

export interface RunEstimate {
  engine: EngineName;
  /** Threads that share a batch; on the engine native-gpu, GPUs. */
  workers: number;
  /** Positions, padding included, in one forward and backward pass. */
  micro_batch_tokens: number;
  /** At most; training may end earlier. */
  steps: number;
  decomposition: DecompositionEstimate;
  seconds: { decompose: number; train: number; evaluate: number };
  /**
   * The larger of decomposition and training: one follows the other. Over GPUs training counts with what each of its
   * processes takes.
   */
  memory_bytes: number;
  disk_bytes: number;
}

/**
 * Measures for a moment how fast this machine is; times are good to about a half.
 * @param evaluation how masks will be evaluated; null: not at all
 */
export function estimateTraining(
  settings: Omit<Settings<'train'>, 'out' | 'resume' | 'preset'>,
  evaluation: Pick<Settings<'run'>, 'controlSeeds' | keyof AttackSettings> | null,
  listener: Listener,
): Promise<RunEstimate> {
  return withSubject(settings.model, { ...settings, ...listener }, async (subject) => {
    const splits = evaluation === null ? (['train', 'validation'] as const) : SPLITS;
    const data = await checkedData(subject, settings, splits, listener);
    const engine = await openEngine(settings);
    const plan = await planFor(subject, workload(data, settings.batchSize), engine, settings);
    const decomposition = await estimateDirections(subject.model, {
      ...settings,
      workers: decompositionThreads(engine, settings),
    });

    const { architecture, qkSplit } = subject.model;
    const layout = new MaskLayout(
      architecture,
      checkedKinds(subject.model, settings.components),
      qkSplit,
      ranksBefore(subject.model, settings),
    );
    const masking = { architecture, layout, positions: settings.positions };
    const sizeOf = (split: keyof typeof data.splits): SplitSize => {
      const pairs = data.splits[split] ?? [];
      return { pairs: pairs.length, tokens: pairs.reduce((sum, { clean }) => sum + clean.length, 0) };
    };
    const sizes = { train: sizeOf('train'), validation: sizeOf('validation'), test: sizeOf('test') };
    const passes = evaluation
      ? evaluationPasses(
          { ...evaluation, roundingSteps: settings.roundingSteps },
          { train: sizes.train.pairs, test: sizes.test.pairs },
        )
      : NO_EVALUATION;
    const flops = runFlops(masking, settings, sizes, passes, plan.passes);
    const steps = trainingSteps(settings, sizes.train.pairs);
    const perSecond = STEP_SPEED * plan.workers * (await measureMatMul()) * 1e9;
    return {
      engine: engine.name,
      workers: plan.workers,
      micro_batch_tokens: plan.passes.train,
      steps,
      decomposition,
      seconds: {
        decompose: decomposition.seconds,
        train: flops.train / perSecond,
        evaluate: flops.evaluate / perSecond,
      },
      memory_bytes: Math.max(plan.memory, decomposition.memory_bytes),
      disk_bytes: decomposition.disk_bytes + runFolderBytes(layout.size, steps),
    };
  });
}

/** Masks twice, a checkpoint of five vectors, a line of history a step; the page and the figures are small. */
function runFolderBytes(directions: number, steps: number): number {
  return 4 * directions * 7 + 250 * steps + 300_000;
}
