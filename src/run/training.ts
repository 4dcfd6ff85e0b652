/** Trains masks into a run folder: history, checkpoints, `masks.safetensors`. */
import type { Basis } from '../decompose/basis.js';
import type { RunFolder } from '../formats/run-folder.js';
import type { TokenPair } from '../formats/token-pairs.js';
import type { Replacement } from '../forward/masking-rules.js';
import { writeMasks } from '../masks/masks-file.js';
import type { TrainSettings } from '../masks/settings.js';
import { type MaskObjective, type TrainResult, trainMasks } from '../masks/train.js';
import type { LongCall } from '../progress.js';
import { readCheckpoint, writeCheckpoint } from './checkpoint.js';
import { masksMetadata } from './masks.js';
import type { Workbench } from './workbench.js';

export interface TrainingData {
  train: readonly TokenPair[];
  /** The training pairs themselves where there are no others. */
  validation: readonly TokenPair[];
}

export interface TrainingSettings {
  train: TrainSettings;
  /** What the workbench's directions are. */
  basis: Basis;
  replacement: Replacement;
  seed: number;
}

/** Goes on from the run's last checkpoint if there is one. */
export async function trainInto(
  run: RunFolder,
  bench: Workbench,
  data: TrainingData,
  { train, basis, replacement, seed }: TrainingSettings,
  { onProgress, signal }: LongCall,
): Promise<TrainResult> {
  const { runner } = bench;
  const { layout } = runner;
  const call = { replacement, seed, onProgress, signal };
  const prepared = await runner.prepare(data.train, call);
  const validation = data.validation === data.train ? prepared : await runner.prepare(data.validation, call);
  const maskObjective: MaskObjective = {
    directions: layout.size,
    pairs: prepared.length,
    frozen: train.rank === null ? undefined : layout.beyondRank(train.rank),
    evaluate: (indices, masks) => prepared.objective(indices, masks, train.loss),
    validate: (masks) => validation.kl(masks, { signal }),
  };

  const checkpoint = run.file('checkpoints/last.safetensors');
  const resumed = await readCheckpoint(checkpoint, layout.size);
  await run.truncateHistory(resumed?.step ?? 0);
  const result = await trainMasks(
    maskObjective,
    train,
    seed,
    {
      onProgress,
      signal,
      onHistory: (line) => run.appendHistory({ ...line }),
      onCheckpoint: (state) => writeCheckpoint(checkpoint, state),
    },
    resumed ?? undefined,
  );
  const metadata = await masksMetadata(bench, { replacement, ...basis });
  const write = (name: string, masks: Float32Array) =>
    writeMasks(run.file(name), { values: layout.split(masks), metadata });
  if (train.roundingSteps > 0) await write('checkpoints/soft.safetensors', result.soft);
  await write('masks.safetensors', result.masks);
  return result;
}
