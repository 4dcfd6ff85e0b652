/** Opens weights, in one safetensors file or sharded over many, behind one interface. */
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { InputError } from '../errors.js';
import type { LongCall } from '../progress.js';
import { contentHash } from './content-hash.js';
import { describeJson, isRecord, readJson } from './json-file.js';
import { type ReadOptions, SafetensorsFile } from './safetensors-file.js';
import type { TensorInfo } from './safetensors-header.js';

/** Named tensors on disk. Only headers are in memory until a tensor is read. */
export interface TensorSource {
  /** What was opened, for messages: a file or a folder. */
  path: string;
  /** The files behind it. */
  files: readonly string[];
  /** `__metadata__` of the file; of shards, all entries together. */
  metadata: Readonly<Record<string, string>>;
  /** Sorted by code unit. */
  names(): string[];
  has(name: string): boolean;
  /** @throws InputError if there is no such tensor */
  info(name: string): TensorInfo;
  /** See {@link SafetensorsFile.readFloat32}. */
  readFloat32(name: string, options?: ReadOptions): Promise<Float32Array>;
  /** See {@link SafetensorsFile.readBytes}. */
  readBytes(name: string): AsyncGenerator<Uint8Array>;
  /**
   * SHA-256, hex, of names, dtypes, shapes and bytes in name order: the same however the tensors are
   * sharded. Remembered in the cache folder until a file's size, time or inode changes.
   */
  contentHash(call?: LongCall): Promise<string>;
  close(): Promise<void>;
}

/**
 * Opens `model.safetensors` of a folder, or what its `model.safetensors.index.json` names.
 * @throws InputError if neither is there, a shard is missing or lacks a tensor, or a file breaks the format
 */
export async function openWeights(folder: string): Promise<TensorSource> {
  const single = join(folder, 'model.safetensors');
  if (existsSync(single)) return openSafetensors(single);
  const index = join(folder, 'model.safetensors.index.json');
  if (existsSync(index)) return openSharded(folder, index);
  throw new InputError(`${folder}: ${await whatIsThere(folder)}`);
}

/** Why there are no weights to open, from what lies in the folder instead. */
async function whatIsThere(folder: string): Promise<string> {
  const names = await readdir(folder).catch(() => []);
  const found = (pattern: RegExp) => names.find((name) => pattern.test(name));
  // A link of the hub's cache whose file did not arrive is listed, and yet does not exist.
  const link = names.find((name) => /^model\.safetensors(\.index\.json)?$/.test(name));
  if (link)
    return `${link} is a link to a file that is not there: the download was not finished; fetch the model again`;
  const adapter = found(/^adapter_model\.safetensors$/);
  if (adapter) return `${adapter} is an adapter, not a model; merge it into its model first`;
  const gguf = found(/\.gguf$/i);
  if (gguf) return `${gguf} is GGUF, which is not read; use the safetensors that it was made from`;
  const other = found(/\.safetensors$/);
  const missing = 'no model.safetensors and no model.safetensors.index.json';
  if (other && /-\d+-of-\d+\./.test(other))
    return `${missing}, only shards such as ${other}: the download was not finished; fetch the model again`;
  if (other) return `${missing}, only ${other}; call it model.safetensors if it is the whole model`;
  const pickle = found(/\.(bin|pt|pth|ckpt)$/);
  if (pickle)
    return `${missing}, only ${pickle}, which is not read: to load it can run code; convert it to safetensors`;
  return `${missing}; weights in other formats must be converted first`;
}

/** @throws InputError if the file is missing or breaks the format */
export async function openSafetensors(path: string): Promise<TensorSource> {
  const file = await SafetensorsFile.open(path);
  return tensorSource(path, [file], new Map([...file.header.tensors.keys()].map((name) => [name, file])));
}

async function openSharded(folder: string, index: string): Promise<TensorSource> {
  const { weight_map: map } = await readJson(index);
  if (!isRecord(map))
    throw new InputError(`${index}: "weight_map" is ${describeJson(map)}, not an object of tensor: file`);
  const missing = [...new Set(Object.values(map))].filter(
    (file) => typeof file === 'string' && file === basename(file) && !existsSync(join(folder, file)),
  );
  if (missing.length > 0)
    throw new InputError(
      `${folder}: ${missing.length} of the files that ${basename(index)} names are not there (${missing[0]}${missing.length > 1 ? ', …' : ''}); the download was not finished: fetch the model again`,
    );
  const shards = new Map<string, SafetensorsFile>();
  const owners = new Map<string, SafetensorsFile>();
  try {
    for (const [tensor, file] of Object.entries(map)) {
      // A shard beside its index, nowhere else: an index from the net must not open any file it likes.
      if (typeof file !== 'string' || file !== basename(file) || file.includes('\\'))
        throw new InputError(`${index}: tensor "${tensor}": ${describeJson(file)} is not a file's name`);
      const shard = shards.get(file) ?? (await SafetensorsFile.open(join(folder, file)));
      shards.set(file, shard);
      if (!shard.header.tensors.has(tensor))
        throw new InputError(`${shard.path}: no tensor "${tensor}", which ${basename(index)} says is there`);
      owners.set(tensor, shard);
    }
  } catch (error) {
    await Promise.all([...shards.values()].map((shard) => shard.close()));
    throw error;
  }
  return tensorSource(folder, [...shards.values()], owners);
}

function tensorSource(
  path: string,
  files: SafetensorsFile[],
  owners: Map<string, SafetensorsFile>,
): TensorSource {
  const owner = (name: string): SafetensorsFile => {
    const file = owners.get(name);
    if (!file) throw new InputError(`${path}: no tensor "${name}"`);
    return file;
  };
  const names = [...owners.keys()].sort();
  const tensors = names.map((name) => {
    const file = owners.get(name)!;
    const entry = file.entry(name);
    return { name, ...entry, read: () => file.readBytes(name) };
  });
  return {
    path,
    files: files.map((file) => file.path),
    // Not by assignment, which loses an entry of the name "__proto__".
    metadata: Object.fromEntries(files.flatMap((file) => Object.entries(file.header.metadata))),
    names: () => [...names],
    has: (name) => owners.has(name),
    info: (name) => {
      const { dtype, shape } = owner(name).entry(name);
      return { dtype, shape: [...shape] };
    },
    readFloat32: async (name, options) => owner(name).readFloat32(name, options),
    readBytes: (name) => owner(name).readBytes(name),
    contentHash: (call) =>
      contentHash(
        tensors,
        files.map((file) => file.state),
        call,
      ),
    close: async () => {
      await Promise.all(files.map((file) => file.close()));
    },
  };
}
