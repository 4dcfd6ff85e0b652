/** Directions as a file for `--basis loaded`: what loaded-basis.ts reads, written. */
import type { TensorData } from '../formats/safetensors-write.js';
import type { Model } from '../models/weights.js';
import type { Directions } from './directions.js';
import { queriesOf } from './factors.js';

/**
 * Directions that add up to their component's matrix, as `NAME.u`, `NAME.s` and `NAME.vt`. Of rotary QK, where they add up
 * to [b_Q; W_Q] in head space, `vt` is [rank, dHead] and there is no `s`; its u_k are orthonormal.
 */
export async function basisTensors(
  all: readonly Directions[],
  model: Model,
): Promise<Map<string, TensorData>> {
  const tensors = new Map<string, TensorData>();
  for (const directions of all) {
    const { component, u, s, vt } = directions;
    const { name, kind, rows, cols, rank, layer } = component;
    const add = (part: string, shape: number[], data: Float32Array) =>
      tensors.set(`${name}.${part}`, { dtype: 'F32', shape, data });
    add('u', [rows, rank], u);
    const { dHead, rotary } = model.architecture;
    if (kind === 'qk' && rotary) {
      const queries = queriesOf(component, directions, await model.layer(layer), dHead);
      add('vt', [rank, dHead], Float32Array.from(queries));
    } else {
      add('s', [rank], s);
      add('vt', [rank, cols], vt);
    }
  }
  return tensors;
}
