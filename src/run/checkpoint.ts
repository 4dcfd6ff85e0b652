/** The training state on disk: what a resumed run goes on from. */
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { z } from 'zod';
import { InputError } from '../errors.js';
import { openSafetensors } from '../formats/safetensors.js';
import { type TensorData, writeSafetensors } from '../formats/safetensors-write.js';
import { inputErrorOf } from '../formats/schema-error.js';
import type { TrainState } from '../masks/train-state.js';

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

/** A whole number as metadata hold it. */
const count = z
  .string()
  .regex(/^\d{1,15}$/)
  .transform(Number);

/** The part of a state that is no array. */
const progress = z.object({
  schema_version: z.literal(SCHEMA_VERSION),
  phase: z.enum(['soft', 'rounding']),
  step: count,
  phase_step: count,
  optimiser_steps: count,
  /** Infinite before the first validation of a phase. */
  best_objective: z
    .string()
    .regex(/^(Infinity|-?\d+(\.\d+)?(e[+-]?\d+)?)$/)
    .transform(Number),
  waited: count,
});

/**
 * @param directions number of masks that the state must have
 * @returns null if there is no checkpoint
 * @throws InputError if it is damaged or of another model
 */
export async function readCheckpoint(path: string, directions: number): Promise<TrainState | null> {
  if (!existsSync(path)) return null;
  const source = await openSafetensors(path);
  try {
    const found = progress.safeParse(source.metadata);
    if (!found.success)
      throw new InputError(
        `${inputErrorOf(found.error, `${path}: not a checkpoint that this version reads`, source.metadata).message}; start a new run`,
      );
    const { phase, step, phase_step, optimiser_steps, best_objective, waited } = found.data;
    const read = async (name: string, lengths = [directions]): Promise<Float32Array> => {
      const values = await source.readFloat32(name, { finite: true });
      if (!lengths.includes(values.length))
        throw new InputError(
          `${path}: holds ${values.length} ${name === 'logits' ? 'masks' : `numbers in "${name}"`}, the model has ${directions}; start a new run`,
        );
      return values;
    };
    return {
      phase,
      step,
      phaseStep: phase_step,
      logits: await read('logits'),
      optimiser: {
        first: await read('optimiser.first'),
        second: await read('optimiser.second'),
        steps: optimiser_steps,
      },
      // Empty until there is one.
      best: await read('best', [0, directions]),
      soft: await read('soft', [0, directions]),
      // Runs before there were adversaries have none.
      shares: source.has('shares') ? await read('shares', [0, directions]) : new Float32Array(0),
      bestObjective: best_objective,
      waited,
    };
  } finally {
    await source.close();
  }
}
