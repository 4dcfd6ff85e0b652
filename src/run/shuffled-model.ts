/** A model of the same shape that has learned nothing: the weights of another one, shuffled within each tensor. */
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openWeights } from '../formats/safetensors.js';
import { type TensorData, writeSafetensors } from '../formats/safetensors-write.js';
import { Random } from '../random.js';

/**
 * Writes it: the same `config.json`, and weights of the same sizes, each at another place of its tensor.
 * @param folder of a model
 * @param into a folder that exists
 * @throws InputError if the model cannot be read or the folder not be written
 */
export async function writeShuffled(folder: string, into: string, seed: number): Promise<void> {
  const source = await openWeights(folder);
  try {
    const tensors = new Map<string, TensorData>();
    for (const name of source.names()) {
      const { shape, dtype } = source.info(name);
      // Masks of earlier tokens and the like, which are no weights.
      if (!['F64', 'F32', 'F16', 'BF16'].includes(dtype)) continue;
      const data = await source.readFloat32(name);
      shuffle(data, new Random(seed).fork(`shuffled ${name}`));
      tensors.set(name, { dtype: 'F32', shape, data });
    }
    await writeSafetensors(join(into, 'model.safetensors'), tensors, { format: 'pt' });
    await copyFile(join(folder, 'config.json'), join(into, 'config.json'));
  } finally {
    await source.close();
  }
}

/** Fisher and Yates, in place. */
function shuffle(values: Float32Array, random: Random): void {
  for (let i = values.length - 1; i > 0; i--) {
    const j = random.integer(i + 1);
    const held = values[i]!;
    values[i] = values[j]!;
    values[j] = held;
  }
}
