/** A set of directions as `masks.safetensors`: 1 for its members, else 0 (docs/formats.md). */
import type { Data } from './data.js';

export function masksOf(data: Data, members: readonly number[]): Blob {
  const values = new Float32Array(data.size);
  for (const flat of members) values[flat] = 1;
  const tensors = data.places.map(({ name, start, directions }) => [
    name,
    { dtype: 'F32', shape: [directions], data_offsets: [4 * start, 4 * (start + directions)] },
  ]);
  const { model, weight_form } = data.core.metrics.measured;
  const metadata = {
    ...{ schema_version: '1', weight_form, model_hash: model.hash },
    ...(data.core.basis !== null && { basis: data.core.basis }),
  };
  const json = new TextEncoder().encode(
    JSON.stringify({ __metadata__: metadata, ...Object.fromEntries(tensors) }),
  );
  const length = Math.ceil(json.length / 8) * 8;
  const head = new Uint8Array(8 + length).fill(32);
  new DataView(head.buffer).setBigUint64(0, BigInt(length), true);
  head.set(json, 8);
  return new Blob([head, values]);
}
