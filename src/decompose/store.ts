/** Decompositions on disk: one safetensors file a layer, named by content, checked as it is read. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { InputError } from '../errors.js';
import { makeFolder } from '../formats/make-folder.js';
import { openSafetensors, type TensorSource } from '../formats/safetensors.js';
import { parseChecksums } from '../formats/safetensors-file.js';
import { CHECKSUMS } from '../formats/safetensors-header.js';
import { type TensorData, writeSafetensors } from '../formats/safetensors-write.js';
import { clusters } from '../kernels/thin-svd.js';
import {
  type Component,
  decomposedKinds,
  type Kind,
  listComponents,
  type Ranks,
} from '../models/components.js';
import type { Model } from '../models/weights.js';
import type { StoreDtype } from '../settings/choices.js';
import type { Decomposition, Directions } from './directions.js';

/** Raise it when directions would come out differently: older entries are then left alone and computed anew. */
const CODE_VERSION = 3;
/** The same for bases that are made from them. */
const BASIS_VERSION = 1;

/** Tensors of a component that directions are read from. */
const PARTS = ['u', 's', 'vt', 'head'];

/** What a decomposition depends on. */
export interface DecompositionIdentity {
  modelHash: string;
  form: string;
  kinds: readonly string[];
  /** `splitName` of the QK components; empty where none are decomposed. */
  qkSplit: string;
}

export class DecompositionStore {
  /** @param folder holds one folder a decomposition */
  constructor(
    readonly folder: string,
    readonly dtype: StoreDtype = 'f32',
  ) {}

  /** 32 hex digits that name a decomposition in this number format. */
  key(identity: DecompositionIdentity): string {
    return digest({ ...identity, dtype: this.dtype, CODE_VERSION });
  }

  /**
   * Likewise, of the same components in another basis.
   * @param singular name of the singular directions
   * @param basis its own name, which tells it from all others
   */
  keyOfBasis(singular: string, basis: string): string {
    return digest({ singular, basis, BASIS_VERSION });
  }

  /** Where a layer lies, whether or not it is there. */
  path(key: string, layer: number): string {
    return join(this.folder, key, `layer-${String(layer).padStart(3, '0')}.safetensors`);
  }

  has(key: string, layer: number): boolean {
    return existsSync(this.path(key, layer));
  }

  /** Bytes that components take on disk, but for the header. */
  bytes(components: readonly Component[]): number {
    const width = this.dtype === 'f16' ? 2 : 4;
    return components.reduce((sum, { rows, cols, rank }) => sum + rank * (width * (rows + cols) + 8), 0);
  }

  /**
   * What tells stored directions from those that another machine computed: 32 hex digits, of the checksums of all
   * their tensors.
   * @returns null where a layer is missing or damaged
   */
  async fingerprint(
    key: string,
    model: DecomposedModel,
    kinds: readonly Kind[],
    ranks?: Ranks,
  ): Promise<string | null> {
    const components = storedComponents(model, kinds, ranks);
    const named = new Set(components.flatMap(({ name }) => PARTS.map((part) => `${name}.${part}`)));
    const sums: [string, unknown][] = [];
    for (const layer of new Set(components.map((component) => component.layer))) {
      const found = await this.withLayer(key, layer, async ({ metadata, path }) =>
        parseChecksums(metadata[CHECKSUMS], path),
      );
      if (found === null) return null;
      sums.push(...[...found].filter(([name]) => named.has(name)));
    }
    return digest(sums.sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  /**
   * Makes a decomposition's folder, before anything is computed that is to be written there.
   * @throws InputError if it cannot be made
   */
  async open(key: string): Promise<void> {
    try {
      await makeFolder(join(this.folder, key));
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      throw new InputError(
        `${error.message}; directions are stored there: name another folder with --store, or set ORTHOSCOPE_CACHE`,
      );
    }
  }

  /**
   * Writes a layer into the folder that {@link open} makes.
   * @param about.basis name of the basis; none for singular directions
   * @param about.products what multiplied for them, for whoever asks why two stores differ in last bits
   * @throws InputError if the file cannot be written
   */
  async write(
    key: string,
    layer: number,
    directions: readonly Directions[],
    about: { basis?: string; products?: string } = {},
  ): Promise<void> {
    const dtype = this.dtype === 'f16' ? 'F16' : 'F32';
    const tensors = new Map<string, TensorData>();
    for (const { component, u, s, vt, head } of directions) {
      const { name, rows, cols, rank } = component;
      tensors.set(`${name}.u`, { dtype, shape: [rows, rank], data: u });
      tensors.set(`${name}.s`, { dtype: 'F32', shape: [rank], data: s });
      tensors.set(`${name}.vt`, { dtype, shape: [rank, cols], data: vt });
      if (head) tensors.set(`${name}.head`, { dtype, shape: headShape(component, head), data: head });
      // For other programs; here they are made from σ. Only singular directions have clusters.
      if (about.basis === undefined)
        tensors.set(`${name}.cluster`, { dtype: 'I32', shape: [rank], data: clusters(s) });
    }
    const metadata = { format: 'orthoscope-directions', ...about };
    await writeSafetensors(this.path(key, layer), tensors, metadata, { checksums: true });
  }

  /** Some components of a layer, or null if the file is missing or damaged; a damaged file is removed. */
  read(
    key: string,
    layer: number,
    components: readonly Component[],
  ): Promise<Map<string, Directions> | null> {
    return this.readEach(key, layer, components, readDirections);
  }

  /** How many directions components of a layer have; otherwise as {@link read}. */
  async readRanks(key: string, layer: number, components: readonly Component[]): Promise<Ranks | null> {
    const found = await this.readEach(key, layer, components, async (source, { name }) => {
      const { shape } = source.info(`${name}.s`);
      return shape[0]!;
    });
    return found && Object.fromEntries(found);
  }

  /** Only their singular values; otherwise as {@link read}. */
  readSigma(
    key: string,
    layer: number,
    components: readonly Component[],
  ): Promise<Map<string, Float32Array> | null> {
    return this.readEach(key, layer, components, readSigma);
  }

  private readEach<T>(
    key: string,
    layer: number,
    components: readonly Component[],
    readOne: (source: TensorSource, component: Component) => Promise<T>,
  ): Promise<Map<string, T> | null> {
    return this.withLayer(key, layer, async (source) => {
      const found = new Map<string, T>();
      for (const component of components) found.set(component.name, await readOne(source, component));
      return found;
    });
  }

  private async withLayer<T>(
    key: string,
    layer: number,
    work: (source: TensorSource) => Promise<T>,
  ): Promise<T | null> {
    const path = this.path(key, layer);
    if (!existsSync(path)) return null;
    try {
      const source = await openSafetensors(path);
      try {
        return await work(source);
      } finally {
        await source.close();
      }
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      await rm(path, { force: true });
      return null;
    }
  }
}

type DecomposedModel = Pick<Model, 'architecture' | 'qkSplit'>;

function storedComponents(model: DecomposedModel, kinds: readonly Kind[], ranks?: Ranks): Component[] {
  return listComponents(model.architecture, decomposedKinds(model, kinds), model.qkSplit, ranks);
}

/** A decomposition that the store is known to hold. Its layers throw InputError if they are gone or damaged since. */
export function storedDecomposition(
  store: DecompositionStore,
  key: string,
  model: DecomposedModel,
  kinds: readonly Kind[],
  ranks?: Ranks,
): Decomposition {
  const components = storedComponents(model, kinds, ranks);
  return {
    key,
    computed: 0,
    ranks,
    async layer(layer, only) {
      const wanted = components.filter(
        (component) => component.layer === layer && (only?.includes(component.name) ?? true),
      );
      const found = await store.read(key, layer, wanted);
      if (found) return found;
      throw new InputError(`${store.path(key, layer)}: missing or damaged; run the command again`);
    },
  };
}

/** @throws InputError if the file lacks a tensor, or one has another shape or checksum than it should */
async function readDirections(source: TensorSource, component: Component): Promise<Directions> {
  const { name, rows, cols, rank } = component;
  const head = `${name}.head`;
  return {
    component,
    u: await readPart(source, `${name}.u`, [rows, rank]),
    s: await readSigma(source, component),
    vt: await readPart(source, `${name}.vt`, [rank, cols]),
    ...(source.has(head) && { head: await source.readFloat32(head, { checked: true }) }),
  };
}

/** See {@link Directions.head}. */
function headShape({ kind, rank }: Component, head: Float32Array): number[] {
  return kind === 'ov' ? [head.length / rank, rank] : [rank, head.length / rank];
}

/** 32 hex digits. */
function digest(identity: object): string {
  return createHash('sha256').update(JSON.stringify(identity)).digest('hex').slice(0, 32);
}

function readSigma(source: TensorSource, { name, rank }: Component): Promise<Float32Array> {
  return readPart(source, `${name}.s`, [rank]);
}

async function readPart(source: TensorSource, name: string, shape: readonly number[]): Promise<Float32Array> {
  const found = source.info(name).shape;
  if (found.join() !== shape.join())
    throw new InputError(`${source.path}: "${name}" has shape [${found}], the model's is [${shape}]`);
  return source.readFloat32(name, { checked: true });
}
