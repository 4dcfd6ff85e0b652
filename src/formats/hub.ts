/** Downloads models into the hub's own cache, which its clients share: the only importer of @huggingface/hub. */
import { createHash, type Hash } from 'node:crypto';
import { createWriteStream, existsSync } from 'node:fs';
import { copyFile, mkdir, readFile, rename, rm, symlink } from 'node:fs/promises';
import { homedir } from 'node:os';
import { basename, dirname, join, relative } from 'node:path';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ReadableStream } from 'node:stream/web';
import {
  downloadFile,
  getHFHubCachePath,
  getRepoFolderName,
  HUB_URL,
  HubApiError,
  type ListFileEntry,
  listFiles,
  modelInfo,
} from '@huggingface/hub';
import { InputError, throwIfAborted } from '../errors.js';
import type { LongCall } from '../progress.js';
import { writeText } from './atomic-file.js';
import { fileError } from './file-error.js';
import { describeJson, isRecord, readJson } from './json-file.js';
import { TOKENIZER_FILES } from './tokenizer-files.js';

export interface HubOptions extends LongCall {
  /** Branch, tag or commit. */
  revision?: string;
  /** True: the network is not touched. Default: whether the environment says `HF_HUB_OFFLINE=1`. */
  offline?: boolean;
  /** Default: what `HF_HUB_CACHE` or `HF_HOME` say, else the hub's usual place. */
  cacheDir?: string;
  /** Default: `HF_ENDPOINT`, else the hub itself. */
  hubUrl?: string;
  fetch?: typeof fetch;
}

export interface Snapshot {
  folder: string;
  /** Commit hash. */
  revision: string;
}

const SMALL_FILES = new Set(['config.json', ...TOKENIZER_FILES]);
const INDEX = 'model.safetensors.index.json';

/**
 * Brings a model's config, tokenizer and safetensors into the cache, unless they are there, and says where.
 * Without a network the cache has to do.
 * @param id `org/name`, or `name` for the oldest models
 * @throws InputError if the hub knows no such model or revision, its licence must be accepted first, it has no
 *   safetensors, or the hub cannot be reached and the cache does not have it
 */
export async function downloadModel(id: string, options: HubOptions = {}): Promise<Snapshot> {
  const { revision = 'main', cacheDir = usualCache() } = options;
  const storage = join(cacheDir, getRepoFolderName({ type: 'model', name: id }));
  if (options.offline ?? isSet(process.env.HF_HUB_OFFLINE)) {
    const cached = await cachedSnapshot(storage, revision);
    if (cached) return cached;
    throw new InputError(
      `${id}: not in the hub's cache (${cacheDir}), and HF_HUB_OFFLINE forbids to download it`,
    );
  }
  try {
    return await fetchModel(id, revision, storage, options);
  } catch (error) {
    throwIfAborted(options.signal);
    if (error instanceof HubApiError) throw new InputError(refusal(id, revision, error));
    // This is how `fetch` reports that a server cannot be reached.
    if (!(error instanceof TypeError && error.cause)) throw error;
    const cached = await cachedSnapshot(storage, revision);
    if (cached) return cached;
    throw new InputError(
      `${id}: the hub cannot be reached, or broke off (${reason(error)}), and its cache (${cacheDir}) does not have this model`,
    );
  }
}

async function fetchModel(
  id: string,
  revision: string,
  storage: string,
  options: HubOptions,
): Promise<Snapshot> {
  const hubUrl = (options.hubUrl || process.env.HF_ENDPOINT || HUB_URL).replace(/\/+$/, '');
  const remote = {
    hubUrl,
    fetch: calling(options.fetch ?? fetch, hubUrl, await accessToken(), options.signal),
  };
  const repo = { type: 'model', name: id } as const;
  const info = await modelInfo({ ...remote, name: id, revision, additionalFields: ['sha'] });
  const sha = checkHash(info.sha);
  const entries: ListFileEntry[] = [];
  for await (const entry of listFiles({ ...remote, repo, revision: sha }))
    if (entry.type === 'file') entries.push(entry);
  const folder = join(storage, 'snapshots', sha);
  let before = 0;
  const fetchAll = async (
    wanted: readonly ListFileEntry[],
    later: readonly ListFileEntry[],
  ): Promise<void> => {
    const total = before + [...wanted, ...later].reduce((sum, { size }) => sum + size, 0);
    for (const entry of wanted) {
      const onBytes = (bytes: number): void =>
        options.onProgress?.({ stage: 'download', done: before + bytes, total, note: entry.path });
      const link = join(folder, entry.path);
      if (!existsSync(link)) {
        const blob = await downloadFile({ ...remote, repo, path: entry.path, revision: sha });
        if (!blob) throw new InputError(`${id}: the hub lists ${entry.path}, but does not hand it out`);
        await store(blob, entry, storage, link, onBytes, options.signal);
      }
      before += entry.size;
      onBytes(0);
    }
  };
  // Small files first: a mistake shows before the long download, and the index says which the large ones are.
  const single = entries.filter(({ path }) => path === 'model.safetensors');
  await fetchAll(smallFiles(entries, single.length > 0, id), single);
  await fetchAll(single.length > 0 ? single : await shardFiles(entries, folder, id), []);
  // Last, so that a named revision never points at a snapshot that is not whole.
  if (revision !== sha) await nameRevision(join(storage, 'refs', revision), sha);
  return { folder, revision: sha };
}

/** One file of weights is preferred to shards, which need their index. */
function smallFiles(entries: readonly ListFileEntry[], single: boolean, id: string): ListFileEntry[] {
  const small = entries.filter(({ path }) => SMALL_FILES.has(path));
  if (!small.some(({ path }) => path === 'config.json')) throw new InputError(`${id}: has no config.json`);
  const index = entries.filter(({ path }) => path === INDEX);
  if (!single && index.length === 0)
    throw new InputError(`${id}: has no safetensors weights; only those can be read`);
  return single ? small : [...small, ...index];
}

/** The shards that the index names, beside it. */
async function shardFiles(
  entries: readonly ListFileEntry[],
  folder: string,
  id: string,
): Promise<ListFileEntry[]> {
  const { weight_map: map } = await readJson(join(folder, INDEX));
  const shards = [...new Set(Object.values(isRecord(map) ? map : {}))].sort();
  return shards.map((name) => {
    const entry = entries.find(({ path }) => path === name && path === basename(path));
    if (!entry)
      throw new InputError(`${id}: the hub does not have ${describeJson(name)}, which ${INDEX} names`);
    return entry;
  });
}

/** A cache that others filled may not be written to; if all else was there, its name for the commit does not matter. */
async function nameRevision(ref: string, sha: string): Promise<void> {
  try {
    if ((await readFile(ref, 'utf8').catch(() => '')).trim() === sha) return;
    await mkdir(dirname(ref), { recursive: true });
    await writeText(ref, sha);
  } catch (error) {
    if (!/permission denied|read-only/.test((fileError(error, ref) as Error).message)) throw error;
  }
}

/** That of the environment, or the one that the hub's own tool (`hf auth login`) keeps in a file. */
async function accessToken(): Promise<string | undefined> {
  const given = process.env.HF_TOKEN ?? process.env.HUGGING_FACE_HUB_TOKEN;
  if (given?.trim()) return given.trim();
  try {
    const path = process.env.HF_TOKEN_PATH ?? join(hubHome(), 'token');
    return (await readFile(path, 'utf8')).trim() || undefined;
  } catch {
    // No such file, or no home folder: never one of the folder that the program happens to run in.
    return undefined;
  }
}

function hubHome(): string {
  const { HF_HOME: home, XDG_CACHE_HOME: caches } = process.env;
  return home ?? join(caches ?? join(homedir(), '.cache'), 'huggingface');
}

/** @throws InputError if neither the environment nor a home folder says where */
function usualCache(): string {
  try {
    return getHFHubCachePath();
  } catch {
    throw new InputError(
      "no home folder for the hub's cache; set HF_HOME to a folder that can be written to",
    );
  }
}

/** Writes a file of the hub to `blobs/` under its hash and links the snapshot to it, as the hub's clients do. */
async function store(
  content: Blob,
  entry: ListFileEntry,
  storage: string,
  link: string,
  onBytes: (bytes: number) => void,
  signal: AbortSignal | undefined,
): Promise<void> {
  const blob = join(storage, 'blobs', blobName(entry));
  const incomplete = `${blob}.${process.pid}.incomplete`;
  try {
    await mkdir(dirname(blob), { recursive: true });
    await mkdir(dirname(link), { recursive: true });
    if (!existsSync(blob)) {
      const digest = contentDigest(entry);
      let bytes = 0;
      const meter = new Transform({
        transform(chunk: Uint8Array, _encoding, done) {
          digest.update(chunk);
          bytes += chunk.length;
          onBytes(bytes);
          done(null, chunk);
        },
      });
      const source = Readable.fromWeb(content.stream() as ReadableStream);
      await pipeline(source, meter, createWriteStream(incomplete), { signal });
      if (digest.digest('hex') !== blobName(entry))
        throw new InputError(`${entry.path}: arrived damaged; try again`);
      await rename(incomplete, blob);
    }
    await rm(link, { force: true });
    // Where links are not allowed (Windows without developer mode) a copy serves.
    await symlink(relative(dirname(link), blob), link).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') return copyFile(blob, link);
    });
  } catch (error) {
    await rm(incomplete, { force: true }).catch(() => {});
    throw fileError(error, blob);
  }
}

/** Large files go by the SHA-256 of their content, the others by their git hash. */
function blobName({ lfs, oid }: ListFileEntry): string {
  return checkHash(lfs?.oid ?? oid);
}

function contentDigest({ lfs, size }: ListFileEntry): Hash {
  return lfs ? createHash('sha256') : createHash('sha1').update(`blob ${size}\0`);
}

/** Hashes become file names, so nothing else may pass for one. */
function checkHash(hash: unknown): string {
  if (typeof hash === 'string' && /^[0-9a-f]{40,64}$/.test(hash)) return hash;
  throw new InputError(`the hub answered ${describeJson(hash)} where a hash belongs; is HF_ENDPOINT right?`);
}

async function cachedSnapshot(storage: string, revision: string): Promise<Snapshot | null> {
  let commit = revision;
  try {
    commit = (await readFile(join(storage, 'refs', revision), 'utf8')).trim();
  } catch {
    // No branch or tag of this name is cached; it may be a commit.
  }
  const folder = join(storage, 'snapshots', commit);
  return existsSync(join(folder, 'config.json')) ? { folder, revision: commit } : null;
}

function refusal(id: string, revision: string, { statusCode, message }: HubApiError): string {
  if (statusCode === 404) return `${id}: the hub knows no such model, or no revision "${revision}" of it`;
  if (statusCode === 401 || statusCode === 403)
    return `${id}: the hub knows no such model, or it is closed to you; if it exists, accept its licence there and log in (hf auth login) or set HF_TOKEN`;
  return `${id}: the hub refused (${message.replace(/\s+/g, ' ')})`;
}

function reason(error: TypeError): string {
  const cause = error.cause as NodeJS.ErrnoException | undefined;
  return cause?.code ?? cause?.message ?? error.message;
}

/** Puts the token in as it is, where the library takes those of one form only. It goes to the hub and nobody else. */
function calling(
  base: typeof fetch,
  hubUrl: string,
  token: string | undefined,
  signal: AbortSignal | undefined,
): typeof fetch {
  return (input, init) => {
    const headers = new Headers(init?.headers);
    const url = input instanceof Request ? input.url : input;
    if (token && URL.canParse(hubUrl) && new URL(url).origin === new URL(hubUrl).origin)
      if (!headers.has('Authorization')) headers.set('Authorization', `Bearer ${token}`);
    return base(input, { ...init, headers, ...(signal && { signal }) });
  };
}

function isSet(value: string | undefined): boolean {
  return value !== undefined && /^(1|true|yes|on)$/i.test(value);
}
