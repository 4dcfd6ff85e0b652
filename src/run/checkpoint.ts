/** The training state on disk: what a resumed run goes on from. */
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { InputError } from '../errors.js';
import { openSafetensors } from '../formats/safetensors.js';
import { type TensorData, writeSafetensors } from '../formats/safetensors-write.js';
import type { TrainState } from '../masks/train.js';

const SCHEMA_VERSION = '1';

/** Arrays of a state that are stored as tensors. */
const ARRAYS = ['logits', 'best', 'soft', 'shares'] as const;

export async function writeCheckpoint(path: string, state: TrainState): Promise<void> {
  const { optimiser, phase, step, phaseStep, bestObjective, waited } = state;
  const vector = (data: Float32Array): TensorData => ({ dtype: 'F32', shape: [data.length], data });
  const tensors = new Map<string, TensorData>([
    ...ARRAYS.map((name): [string, TensorData] => [name, vector(state[name])]),
    ['optimiser.first', vector(optimiser.first)],
    ['optimiser.second', vector(optimiser.second)],
  ]);
  await mkdir(dirname(path), { recursive: true });
  await writeSafetensors(path, tensors, {
    schema_version: SCHEMA_VERSION,
    phase,
    step: String(step),
    phase_step: String(phaseStep),
    optimiser_steps: String(optimiser.steps),
    best_objective: String(bestObjective),
    waited: String(waited),
  });
}

/**
 * @param directions number of masks that the state must have
 * @returns null if there is no checkpoint
 * @throws InputError if it is damaged or of another model
 */
export async function readCheckpoint(path: string, directions: number): Promise<TrainState | null> {
  if (!existsSync(path)) return null;
  const source = await openSafetensors(path);
  try {
    const { schema_version, phase, step, phase_step, optimiser_steps, best_objective, waited } =
      source.metadata;
    if (schema_version !== SCHEMA_VERSION || (phase !== 'soft' && phase !== 'rounding'))
      throw new InputError(`${path}: not a checkpoint that this version reads; start a new run`);
    const logits = await source.readFloat32('logits');
    if (logits.length !== directions)
      throw new InputError(
        `${path}: holds ${logits.length} masks, the model has ${directions}; start a new run`,
      );
    return {
      phase,
      step: Number(step),
      phaseStep: Number(phase_step),
      logits,
      optimiser: {
        first: await source.readFloat32('optimiser.first'),
        second: await source.readFloat32('optimiser.second'),
        steps: Number(optimiser_steps),
      },
      best: await source.readFloat32('best'),
      soft: await source.readFloat32('soft'),
      // Runs before there were adversaries have none.
      shares: source.names().includes('shares') ? await source.readFloat32('shares') : new Float32Array(0),
      bestObjective: Number(best_objective),
      waited: Number(waited),
    };
  } finally {
    await source.close();
  }
}
