/** A run's circuit as sets of directions, read from its folder. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { openSafetensors } from '../formats/safetensors.js';
import { readMasks } from '../masks/masks-file.js';
import { parseDirectionRange } from '../models/components.js';
import type { RunRow } from './results.js';

/** The active directions of a cluster of equal σ. */
export interface ActiveCluster {
  /** First and last direction of the cluster. */
  first: number;
  last: number;
  /** Orthonormal rows, [rows, cols]: v_k of the active ones. */
  basis: Float32Array;
  rows: number;
  cols: number;
}

export interface Circuit {
  /** By component: 1 for active directions, else 0. */
  active: Map<string, Uint8Array>;
  /** By component: masks before rounding, where there are any, else the masks. */
  soft: Map<string, Float32Array>;
  /** By component. */
  clusters: Map<string, ActiveCluster[]>;
}

export async function readCircuit({ path, settings }: RunRow): Promise<Circuit> {
  const masks = (await readMasks(join(path, 'masks.safetensors'))).values;
  const before = join(path, 'checkpoints/soft.safetensors');
  const threshold = Number(settings.threshold);
  return {
    active: new Map(
      [...masks].map(([name, values]) => [name, Uint8Array.from(values, (m) => Number(m > threshold))]),
    ),
    soft: existsSync(before) ? (await readMasks(before)).values : masks,
    clusters: await readClusters(join(path, 'clusters.safetensors')),
  };
}

async function readClusters(path: string): Promise<Circuit['clusters']> {
  const found: Circuit['clusters'] = new Map();
  if (!existsSync(path)) return found;
  const source = await openSafetensors(path);
  try {
    for (const tensor of source.names()) {
      const range = parseDirectionRange(tensor);
      if (!range) continue;
      const [rows, cols] = source.info(tensor).shape as [number, number];
      const cluster = {
        first: range.first,
        last: range.last,
        basis: await source.readFloat32(tensor),
        rows,
        cols,
      };
      const { name } = range.component;
      found.set(name, [...(found.get(name) ?? []), cluster]);
    }
  } finally {
    await source.close();
  }
  return found;
}
