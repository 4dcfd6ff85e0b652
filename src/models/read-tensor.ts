/** Reads named weights as float32 and holds them to the shape that the config promises. */
import { InputError } from '../errors.js';
import type { TensorSource } from '../formats/safetensors.js';
import type { Norm } from './adapter.js';
import { transpose } from './matrix.js';
import type { Linear } from './weights.js';

/**
 * @param shape expected shape
 * @returns row-major values
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
  return source.readFloat32(name, { finite: true });
}

/**
 * A layer as PyTorch stores it, `name.weight` [outputs, inputs] and, if promised, `name.bias` [outputs], turned.
 * @throws InputError as {@link readTensor} does
 */
export async function readLinear(
  source: TensorSource,
  name: string,
  rows: number,
  cols: number,
  biased: boolean,
): Promise<Linear> {
  const weight = transpose(await readTensor(source, `${name}.weight`, [cols, rows]), cols, rows);
  return { rows, cols, weight, bias: biased ? await readTensor(source, `${name}.bias`, [cols]) : null };
}

/**
 * Matrices that are stored as one, [sum of outputs, inputs], without biases, one behind the other, turned.
 * @throws InputError as {@link readTensor} does
 */
export async function readFused(
  source: TensorSource,
  name: string,
  rows: number,
  widths: readonly number[],
): Promise<Linear[]> {
  const total = widths.reduce((sum, width) => sum + width, 0);
  const stored = await readTensor(source, `${name}.weight`, [total, rows]);
  let from = 0;
  return widths.map((cols) => {
    const part = stored.subarray(from * rows, (from + cols) * rows);
    from += cols;
    return { rows, cols, weight: transpose(part, cols, rows), bias: null };
  });
}

/** A LayerNorm. @throws InputError as {@link readTensor} does */
export async function readNorm(source: TensorSource, name: string, width: number): Promise<Norm> {
  return {
    gain: await readTensor(source, `${name}.weight`, [width]),
    bias: await readTensor(source, `${name}.bias`, [width]),
  };
}
