/** Trains masks into a run folder: history, checkpoints, `masks.safetensors`. */

import type { Basis } from '../decompose/basis.js';
import type { RunFolder } from '../formats/run-folder.js';
import type { Replacement } from '../forward/masking-rules.js';
import { writeMasks } from '../masks/masks-file.js';
import { type MaskObjective, type TrainResult, trainMasks } from '../masks/train.js';
import type { LongCall } from '../progress.js';
import type { TrainSettings } from '../settings/train-settings.js';
import { readCheckpoint, writeCheckpoint } from './checkpoint.js';
import type { RunData } from './data.js';
import { masksMetadata } from './masks.js';
import { timed } from './session.js';
import type { Workbench } from './workbench.js';

export interface TrainingSettings extends TrainSettings, Basis {
  replacement: Replacement;
  seed: number;
}

/**
 * Goes on from the run's last checkpoint if there is one.
 * @param data validated on the training pairs where there are no others
 */
export function trainInto(
  run: RunFolder,
  bench: Workbench,
  { splits }: Pick<RunData, 'splits'>,
  settings: TrainingSettings,
  call: LongCall,
): Promise<TrainResult> {
  return timed(run, 'train', () => trainOn(run, bench, splits, settings, call));
}

async function trainOn(
  run: RunFolder,
  bench: Workbench,
  { train, validation: others }: RunData['splits'],
  settings: TrainingSettings,
  { onProgress, signal }: LongCall,
): Promise<TrainResult> {
  const { runner } = bench;
  const { layout } = runner;
  const { replacement, seed } = settings;
  const call = { replacement, seed, onProgress, signal };
  const prepared = await runner.prepare(train!, call);
  const validation = others ? await runner.prepare(others, call) : prepared;
  const maskObjective: MaskObjective = {
    directions: layout.size,
    pairs: prepared.length,
    frozen: settings.rank === null ? undefined : layout.beyondRank(settings.rank),
    evaluate: (indices, masks) => prepared.objective(indices, masks, settings.loss),
    validate: (masks) => validation.kl(masks, { signal }),
  };

  const checkpoint = run.file('checkpoints/last.safetensors');
  const resumed = await readCheckpoint(checkpoint, layout.size);
  await run.truncateHistory(resumed?.step ?? 0);
  const result = await trainMasks(
    maskObjective,
    settings,
    seed,
    {
      onProgress,
      signal,
      onHistory: (line) => run.appendHistory({ ...line }),
      onCheckpoint: (state) => writeCheckpoint(checkpoint, state),
    },
    resumed ?? undefined,
  );
  const metadata = await masksMetadata(bench, settings);
  const write = (name: string, masks: Float32Array) =>
    writeMasks(run.file(name), { values: layout.split(masks), metadata });
  if (settings.roundingSteps > 0) await write('checkpoints/soft.safetensors', result.soft);
  await write('masks.safetensors', result.masks);
  return result;
}
