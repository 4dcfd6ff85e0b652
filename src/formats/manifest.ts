/** `manifest.json`: what was run, on what, with what, and how it ended; enough to run it again. */
import { arch, cpus, platform, release, totalmem } from 'node:os';
import { basename, isAbsolute } from 'node:path';
import { z } from 'zod';
import { camelCase, snakeCase } from '../case.js';
import { writeText } from './atomic-file.js';
import { sha256 } from './file-hash.js';
import { isRecord, readJson } from './json-file.js';
import { inputErrorOf } from './schema-error.js';

/** Commands that leave a folder with a manifest, from which they can be run again. */
const RECORDED_COMMANDS = [
  'run',
  'train',
  'evaluate',
  'score',
  'interpret',
  'intervene',
  'edges',
  'compare',
] as const;
export type RecordedCommand = (typeof RECORDED_COMMANDS)[number];

const TIME = z.iso.datetime();

const schema = z.strictObject({
  schema_version: z.literal(1),
  command: z.enum(RECORDED_COMMANDS),
  status: z.enum(['running', 'complete', 'interrupted', 'failed']),
  /** Why, where status is `failed`. */
  error: z.string().optional(),
  /** Every setting that the result follows from, defaults included; in snake case on disk, in camel case here. */
  settings: z.record(z.string(), z.unknown()),
  /** By purpose, e.g. `masks` or `data`. */
  seeds: z.record(z.string(), z.int()),
  model: z.strictObject({
    /** Hub id or folder name. */
    id: z.string(),
    /** How it is named from anywhere on the machine: `embedded`, a hub id, or an absolute path. */
    path: z.string(),
    /** Hub commit; null for a local folder. */
    revision: z.string().nullable(),
    hash: sha256,
  }),
  /** By split: where prompt pairs came from, how many, and the hash of what the model saw. */
  data: z.record(
    z.string(),
    z.strictObject({ source: z.string(), pairs: z.int().nonnegative(), hash: sha256 }),
  ),
  /** What is to be known: how prompts begin, what was left out, what changes the meaning of a score or a name. */
  notes: z.array(z.string()).optional(),
  weight_form: z.string(),
  engine: z.string(),
  /** Threads, or GPUs, that share a batch. With engine, versions and seeds it determines the masks to the last bit. */
  workers: z.int().positive().optional(),
  /** By program or library. */
  versions: z.record(z.string(), z.string()),
  host: z.strictObject({
    os: z.string(),
    arch: z.string(),
    cpu: z.string(),
    cores: z.int().positive(),
    memory_bytes: z.int().positive(),
  }),
  started_at: TIME,
  ended_at: TIME.optional(),
  /** Wall-clock seconds by stage, over all sittings of a resumed run. */
  seconds: z.record(z.string(), z.number().nonnegative()),
});

/** The content of `manifest.json` (docs/formats.md, "Run folders"). */
export type Manifest = z.infer<typeof schema>;

/** The machine, without anything that names it or its owner. */
export function describeHost(): Manifest['host'] {
  const processors = cpus();
  return {
    os: `${platform()} ${release()}`,
    arch: arch(),
    cpu: processors[0]?.model.trim() || 'unknown',
    cores: Math.max(1, processors.length),
    memory_bytes: totalmem(),
  };
}

/** @throws InputError if the file is missing or is no manifest that this program knows */
export async function readManifest(path: string): Promise<Manifest> {
  const content = await readJson(path);
  const result = schema.safeParse(content);
  if (!result.success) throw inputErrorOf(result.error, path, content);
  return { ...result.data, settings: withKeys(camelCase, flat(result.data.settings)) };
}

/** Writes it whole or not at all. */
export async function writeManifest(path: string, manifest: Manifest): Promise<void> {
  await writeText(path, manifestText(manifest));
}

/** The file's content. */
export function manifestText(manifest: Manifest): string {
  return `${JSON.stringify({ ...manifest, settings: withKeys(snakeCase, manifest.settings) }, null, 2)}\n`;
}

function withKeys(spelt: (key: string) => string, settings: Manifest['settings']): Manifest['settings'] {
  return Object.fromEntries(Object.entries(settings).map(([key, value]) => [spelt(key), value]));
}

/** Settings of prompts once lay one level deeper. */
function flat(settings: Manifest['settings']): Manifest['settings'] {
  const { data, ...others } = settings;
  if (!isRecord(data)) return settings;
  const { counts, aligned: _aligned, seed: _seed, ...prompts } = data;
  const sizes = Object.entries(isRecord(counts) ? counts : {}).map(([split, pairs]) => [
    `${split}Pairs`,
    pairs,
  ]);
  return { ...others, ...prompts, ...Object.fromEntries(sizes) };
}

/** The model's name, from which it can be opened again if it is still there. */
export function modelName({ model }: Manifest): string {
  return model.revision === null ? model.path : model.id;
}

/** What makes two runs the same run; where, when and how far they ran does not count. */
const IDENTITY = ['command', 'seeds', 'data', 'weight_form'] as const;

/**
 * The first thing in which two manifests describe different runs, as a path such as `settings.lr`, or null.
 * A model that was moved, or comes from the hub now, is the same model if its hash is; any engine may go on.
 */
export function firstDifference(a: Manifest, b: Manifest): string | null {
  // By way of JSON, since one of the two has been on disk: there, undefined settings are left out. A file is known by
  // its content's hash, wherever it lies.
  const identity = (manifest: Manifest): unknown =>
    JSON.parse(
      JSON.stringify(
        {
          ...Object.fromEntries(IDENTITY.map((key) => [key, manifest[key]])),
          settings: { ...manifest.settings, engine: null },
          model: { hash: manifest.model.hash },
        },
        (_, value: unknown) => (typeof value === 'string' ? withoutFolder(value) : value),
      ),
    );
  return differingPath(identity(a), identity(b));
}

function differingPath(a: unknown, b: unknown): string | null {
  // A setting that an older version did not have is null in this one.
  if (a === b || (a == null && b == null)) return null;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return '';
  for (const key of new Set([...Object.keys(a), ...Object.keys(b)])) {
    const below = differingPath(a[key as keyof typeof a], b[key as keyof typeof b]);
    if (below !== null) return below === '' ? key : `${key}.${below}`;
  }
  return null;
}

/** Of an absolute path, behind `NAME=` perhaps, the last part. */
function withoutFolder(text: string): string {
  const [, name = '', path] = /^([\w.-]+=)?(.*)$/s.exec(text)!;
  return isAbsolute(path!) ? name + basename(path!) : text;
}
