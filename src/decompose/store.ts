/** Decompositions on disk: one safetensors file a layer, named by content, checked on every load. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { InputError } from '../errors.js';
import { openSafetensors } from '../formats/safetensors.js';
import { type TensorData, writeSafetensors } from '../formats/safetensors-write.js';
import type { Component } from '../models/components.js';
import type { Directions } from './directions.js';

/** Raise it when directions would come out differently: older entries are then left alone and computed anew. */
const CODE_VERSION = 1;

/** What a decomposition depends on. */
export interface DecompositionIdentity {
  modelHash: string;
  form: string;
  kinds: readonly string[];
  /** Offsets that the rotary split averages over; 0 without rotary positions. */
  rotaryOffsets: number;
}

/** 32 hex digits that name a decomposition. */
export function decompositionKey(identity: DecompositionIdentity): string {
  return createHash('sha256')
    .update(JSON.stringify({ ...identity, CODE_VERSION }))
    .digest('hex')
    .slice(0, 32);
}

export class DecompositionStore {
  /** @param folder holds one folder a decomposition */
  constructor(readonly folder: string) {}

  /** Where a layer lies, whether or not it is there. */
  path(key: string, layer: number): string {
    return join(this.folder, key, `layer-${String(layer).padStart(3, '0')}.safetensors`);
  }

  has(key: string, layer: number): boolean {
    return existsSync(this.path(key, layer));
  }

  async write(key: string, layer: number, directions: readonly Directions[]): Promise<void> {
    const tensors = new Map<string, TensorData>();
    const hash = createHash('sha256');
    for (const { component, u, s, vt } of directions) {
      const { name, rows, cols, rank } = component;
      hash.update(bytes(u)).update(bytes(s)).update(bytes(vt));
      tensors.set(`${name}.u`, { dtype: 'F32', shape: [rows, rank], data: u });
      tensors.set(`${name}.s`, { dtype: 'F32', shape: [rank], data: s });
      tensors.set(`${name}.vt`, { dtype: 'F32', shape: [rank, cols], data: vt });
    }
    await mkdir(join(this.folder, key), { recursive: true });
    await writeSafetensors(this.path(key, layer), tensors, {
      format: 'orthoscope-directions',
      sha256: hash.digest('hex'),
    });
  }

  /** The layer's directions, or null if the file is missing or damaged; a damaged file is removed. */
  async read(
    key: string,
    layer: number,
    components: readonly Component[],
  ): Promise<Map<string, Directions> | null> {
    const path = this.path(key, layer);
    if (!existsSync(path)) return null;
    try {
      return await readChecked(path, components);
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      await rm(path, { force: true });
      return null;
    }
  }
}

/** @throws InputError if the file breaks the format, lacks a component or fails its checksum */
async function readChecked(path: string, components: readonly Component[]): Promise<Map<string, Directions>> {
  const source = await openSafetensors(path);
  try {
    const hash = createHash('sha256');
    const directions = new Map<string, Directions>();
    for (const component of components) {
      const [u, s, vt] = [
        await source.readFloat32(`${component.name}.u`),
        await source.readFloat32(`${component.name}.s`),
        await source.readFloat32(`${component.name}.vt`),
      ];
      const { rows, cols, rank } = component;
      if (u.length !== rows * rank || s.length !== rank || vt.length !== rank * cols)
        throw new InputError(`${path}: "${component.name}" has another shape than the model's`);
      hash.update(bytes(u)).update(bytes(s)).update(bytes(vt));
      directions.set(component.name, { component, u, s, vt });
    }
    if (hash.digest('hex') !== source.metadata.sha256)
      throw new InputError(`${path}: its checksum does not hold`);
    return directions;
  } finally {
    await source.close();
  }
}

function bytes(values: Float32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}
