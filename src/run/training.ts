/** Trains masks into a run folder: history, checkpoints, `masks.safetensors`. */

import type { Basis } from '../decompose/basis.js';
import { evenly } from '../evaluate/some-pairs.js';
import type { HistoryLine, RunFolder } from '../formats/run-folder.js';
import type { TokenPair } from '../formats/token-pairs.js';
import type { Replacement } from '../forward/masking-rules.js';
import { CUT_PAIRS } from '../masks/cut.js';
import { writeMasks } from '../masks/masks-file.js';
import { type MaskObjective, type TrainHooks, type TrainResult, trainMasks } from '../masks/train.js';
import type { TrainState } from '../masks/train-state.js';
import type { LongCall } from '../progress.js';
import type { TrainSettings } from '../settings/train-settings.js';
import { checkRank } from './basis.js';
import { readCheckpoint, writeCheckpoint } from './checkpoint.js';
import type { RunData } from './data.js';
import type { RunnablePairs } from './mask-runner.js';
import { masksMetadata } from './masks.js';
import { timed } from './session.js';
import type { Workbench } from './workbench.js';

export interface TrainingSettings extends TrainSettings, Basis {
  replacement: Replacement;
  seed: number;
}

/** Prompt pairs to learn from; validated on the training pairs where there are no others. */
export type TrainingPairs = Partial<Record<'train' | 'validation', readonly TokenPair[]>>;

/** The splits that training asks for: a file without another one to validate on is not cut, but trained on whole. */
export function trainingSplits({
  task,
  validation,
}: {
  task: string | null;
  validation: string | null;
}): readonly ('train' | 'validation')[] {
  return task === null && validation === null ? ['train'] : ['train', 'validation'];
}

/** What training begins with. */
export interface TrainingStart {
  resumed?: TrainState;
  /** Marks directions whose masks stay 0, by 1. */
  heldOff?: Uint8Array;
}

/** Trains masks on a workbench, in memory. */
export async function trainOn(
  { runner }: Workbench,
  { train, validation: others }: TrainingPairs,
  settings: TrainingSettings,
  hooks: TrainHooks,
  { resumed, heldOff }: TrainingStart = {},
): Promise<TrainResult> {
  const { layout } = runner;
  const { replacement, seed } = settings;
  checkRank(settings);
  const { onProgress, signal } = hooks;
  const call = { replacement, seed, onProgress, signal };
  const prepared = await runner.prepare(train!, call);
  const validated = others ?? train!;
  const validation = others ? await runner.prepare(others, call) : prepared;
  let few: RunnablePairs | undefined;
  const maskObjective: MaskObjective = {
    directions: layout.size,
    pairs: prepared.length,
    frozen: settings.rank === null ? heldOff : marked(layout.beyondRank(settings.rank), heldOff),
    evaluate: (indices, masks) => prepared.objective(indices, masks, settings.loss, { signal }),
    validate: (masks) => validation.kl(masks, { signal }),
    compareCuts: async (masks) => {
      // Most trainings that go on from a checkpoint are past the cut: nothing is prepared for it until it is there.
      few ??=
        validated.length <= CUT_PAIRS
          ? validation
          : await runner.prepare(evenly(validated, CUT_PAIRS), { replacement, seed, signal });
      return few.kl(masks, { signal });
    },
  };
  return trainMasks(maskObjective, settings, seed, hooks, resumed);
}

/** What either marks. */
function marked(one: Uint8Array, other: Uint8Array | undefined): Uint8Array {
  return other ? one.map((mark, at) => mark | other[at]!) : one;
}

/** Trains masks into a run's folder; goes on from its last checkpoint if there is one. */
export function trainInto(
  run: RunFolder,
  bench: Workbench,
  { splits }: Pick<RunData, 'splits'>,
  settings: TrainingSettings,
  { onProgress, signal }: LongCall,
): Promise<TrainResult> {
  return timed(run, 'train', async () => {
    const { layout } = bench.runner;
    const checkpoint = run.file('checkpoints/last.safetensors');
    const resumed = await readCheckpoint(checkpoint, layout.size);
    await run.keepHistory((line) => resumed !== null && isBefore(line, resumed));
    const hooks: TrainHooks = {
      onProgress,
      signal,
      onHistory: (line) => run.appendHistory({ ...line }),
      onCheckpoint: (state) => writeCheckpoint(checkpoint, state),
    };
    const result = await trainOn(bench, splits, settings, hooks, {
      resumed: resumed ?? undefined,
    });
    const metadata = await masksMetadata(bench, settings);
    const write = (name: string, masks: Float32Array) =>
      writeMasks(run.file(name), { values: layout.split(masks), metadata });
    if (settings.roundingSteps > 0) await write('checkpoints/soft.safetensors', result.soft);
    await write('masks.safetensors', result.masks);
    return result;
  });
}

/** Whether a line of the history was written before a state was saved. A validation has the number of the next step. */
function isBefore(
  { step, validation, phase }: HistoryLine,
  { step: next, phase: then }: TrainState,
): boolean {
  return step < next || (step === next && validation === true && (phase === then || then === 'rounding'));
}
