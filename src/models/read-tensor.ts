/** Reads one named weight as float32 on shared memory and holds it to the shape that the config promises. */
import { InputError } from '../errors.js';
import type { TensorSource } from '../formats/safetensors.js';

/**
 * @param shape expected shape
 * @returns row-major values on a SharedArrayBuffer
 * @throws InputError if the tensor is missing, has another shape, or holds a NaN or an infinity
 */
export async function readTensor(source: TensorSource, name: string, shape: number[]): Promise<Float32Array> {
  if (!source.has(name))
    throw new InputError(`${source.path}: no tensor "${name}"; the config promises one of shape [${shape}]`);
  const found = source.info(name).shape;
  if (found.length !== shape.length || found.some((size, axis) => size !== shape[axis]))
    throw new InputError(
      `${source.path}: tensor "${name}" has shape [${found}]; the config promises [${shape}]`,
    );
  return source.readFloat32(name, { shared: true, finite: true });
}
