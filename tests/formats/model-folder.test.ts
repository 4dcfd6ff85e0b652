import { execFile } from 'node:child_process';
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { builtFile } from '../../src/built-file.js';
import { InputError, InterruptedError } from '../../src/errors.js';
import type { HubOptions } from '../../src/formats/hub.js';
import { resolveModel } from '../../src/formats/model-folder.js';
import { COMMIT, type HubServer, startHub } from '../support/hub-server.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const folder = temporaryFolder();

describe('a local folder', () => {
  it('is taken as it is, before any hub is asked', async () => {
    const model = join(folder, 'my-model');
    mkdirSync(model);
    writeFileSync(join(model, 'config.json'), '{}');
    const nobody = () => expect.fail('the network was used');
    expect(await resolveModel(`${model}/`, { fetch: nobody })).toEqual({
      folder: `${model}/`,
      name: model,
      id: 'my-model',
      revision: null,
    });
  });

  it('must be one, and hold a config', async () => {
    const empty = join(folder, 'empty');
    mkdirSync(empty);
    await expect(resolveModel(empty)).rejects.toThrow(/empty: no config\.json in this folder/);
    const file = join(folder, 'file');
    writeFileSync(file, '');
    await expect(resolveModel(file)).rejects.toThrow(/file: is a file; point at the folder/);
    writeFileSync(join(folder, 'small.gguf'), '');
    await expect(resolveModel(join(folder, 'small.gguf'))).rejects.toThrow(/is GGUF, which is not read/);
    writeFileSync(join(empty, 'small.gguf'), '');
    await expect(resolveModel(empty)).rejects.toThrow(/holds small.gguf: GGUF is not read/);
    const cached = join(folder, 'models--org--name');
    for (const name of ['snapshots', 'blobs']) mkdirSync(join(cached, name), { recursive: true });
    await expect(resolveModel(cached)).rejects.toThrow(/a model's place in the hub's cache/);
    const cut = join(folder, 'cut');
    mkdirSync(cut);
    symlinkSync('../blobs/none', join(cut, 'config.json'));
    await expect(resolveModel(cut)).rejects.toThrow(/the download was not finished/);
    for (const path of ['/none', './none', '../none', 'a/b/c', '~/x', 'a\\b', '', '-x'])
      await expect(resolveModel(path)).rejects.toThrow(/no such folder, and not a hub id/);
  });
});

describe('a model of the hub', () => {
  const cacheDir = join(folder, 'hub');
  const storage = join(cacheDir, 'models--org--tiny');
  const snapshot = join(storage, 'snapshots', COMMIT);
  const weights = Buffer.alloc(100_000, 'w');
  let hub: HubServer;
  beforeAll(async () => {
    hub = await startHub();
  });
  afterAll(() => hub.close());
  beforeEach(() => {
    rmSync(cacheDir, { recursive: true, force: true });
    for (const name of ['HF_HUB_OFFLINE', 'HF_ENDPOINT', 'HF_TOKEN']) vi.stubEnv(name, undefined);
    hub.requests.length = 0;
    hub.corrupt.clear();
    hub.refuse = undefined;
    hub.models.clear();
    hub.models.set(
      'org/tiny',
      new Map([
        ['model.safetensors', weights],
        ['README.md', Buffer.from('# no')],
        ['config.json', Buffer.from('{"model_type":"gpt2"}')],
        ['pytorch_model.bin', Buffer.alloc(10)],
        ['tokenizer.json', Buffer.from('{}')],
      ]),
    );
  });

  const resolve = (options: HubOptions = {}, id = 'org/tiny') =>
    resolveModel(id, { cacheDir, hubUrl: hub.url, ...options });
  const unreachable: HubOptions = { hubUrl: 'http://127.0.0.1:1' };

  it('is laid down as the hub lays it down, without what is not needed', async () => {
    const events: [number, number][] = [];
    const model = await resolve({ onProgress: ({ done, total }) => events.push([done, total]) });
    expect(model).toEqual({ id: 'org/tiny', name: 'org/tiny', folder: snapshot, revision: COMMIT });
    expect(readdirSync(snapshot).sort()).toEqual(['config.json', 'model.safetensors', 'tokenizer.json']);
    expect(readFileSync(join(snapshot, 'model.safetensors')).equals(weights)).toBe(true);
    expect(lstatSync(join(snapshot, 'config.json')).isSymbolicLink()).toBe(true);
    expect(readdirSync(join(storage, 'blobs'))).toHaveLength(3);
    expect(readFileSync(join(storage, 'refs', 'main'), 'utf8')).toBe(COMMIT);
    const total = weights.length + '{"model_type":"gpt2"}'.length + 2;
    expect(events.at(-1)).toEqual([total, total]);
    expect(events.every(([done], i) => i === 0 || done >= events[i - 1]![0])).toBe(true);
  });

  it('is downloaded once', async () => {
    await resolve();
    hub.requests.length = 0;
    await resolve();
    expect(hub.requests.filter((path) => path.includes('/resolve/'))).toEqual([]);
  });

  it('comes from the cache where there is no network, or it is not to be used', async () => {
    const model = await resolve();
    expect(await resolve(unreachable)).toEqual(model);
    hub.requests.length = 0;
    vi.stubEnv('HF_HUB_OFFLINE', '1');
    expect(await resolve()).toEqual(model);
    expect(await resolve({ revision: COMMIT })).toEqual(model);
    expect(hub.requests).toEqual([]);
  });

  it('is looked for in the place that the environment names', async () => {
    vi.stubEnv('HF_HUB_CACHE', cacheDir);
    vi.stubEnv('HF_ENDPOINT', hub.url);
    expect((await resolveModel('org/tiny')).folder).toBe(snapshot);
  });

  it('says why it cannot be had without a network', async () => {
    await expect(resolve(unreachable)).rejects.toThrow(
      /^org\/tiny: the hub cannot be reached, or broke off \(.+\), and its cache \(.+\) does not have this model$/,
    );
    await expect(resolve({ offline: true })).rejects.toThrow(
      /not in the hub's cache .* HF_HUB_OFFLINE forbids/,
    );
    await resolve();
    await expect(resolve({ offline: true, revision: 'v1' })).rejects.toThrow(InputError);
  });

  it('says when the hub does not have it, or does not give it', async () => {
    await expect(resolve({}, 'org/none')).rejects.toThrow(/^org\/none: the hub knows no such model/);
    await expect(resolve({ revision: 'v9' })).rejects.toThrow(/or no revision "v9" of it/);
    for (const [status, message] of [
      [401, /accept its licence there and log in .* or set HF_TOKEN/],
      [403, /accept its licence there and log in/],
      [500, /the hub refused \(not for you/],
    ] as const) {
      hub.refuse = status;
      await expect(resolve()).rejects.toThrow(message);
      await expect(resolve()).rejects.toBeInstanceOf(InputError);
    }
  });

  it('needs a config and safetensors', async () => {
    hub.models.get('org/tiny')!.delete('model.safetensors');
    await expect(resolve()).rejects.toThrow(/org\/tiny: has no safetensors weights/);
    hub.models.get('org/tiny')!.delete('config.json');
    await expect(resolve()).rejects.toThrow(/org\/tiny: has no config\.json/);
  });

  it('takes shards and their index where there is no single file', async () => {
    const files = hub.models.get('org/tiny')!;
    files.delete('model.safetensors');
    const shards = ['shard1.safetensors', 'model.safetensors-00002-of-00002.safetensors'];
    for (const [i, name] of [...shards, 'consolidated.safetensors'].entries())
      files.set(name, Buffer.from(`${i}`));
    const index = { weight_map: { a: shards[0], b: shards[1], c: shards[0] } };
    files.set('model.safetensors.index.json', Buffer.from(JSON.stringify(index)));
    const events: [number, number][] = [];
    await resolve({ onProgress: ({ done, total }) => events.push([done, total]) });
    expect(readdirSync(snapshot).sort()).toEqual(
      ['config.json', ...shards, 'model.safetensors.index.json', 'tokenizer.json'].sort(),
    );
    expect(events.at(-1)![0]).toBe(events.at(-1)![1]);
    index.weight_map.b = '../other.safetensors';
    files.set('model.safetensors.index.json', Buffer.from(JSON.stringify(index)));
    rmSync(cacheDir, { recursive: true });
    await expect(resolve()).rejects.toThrow(/the hub does not have the string "..\/other.safetensors"/);
  });

  it("is asked for with the token of the environment or of the hub's own tool, whatever it looks like", async () => {
    const tokens: (string | null)[] = [];
    const listening: typeof fetch = (input, init) => {
      tokens.push(new Headers(init?.headers).get('Authorization'));
      return fetch(input, init);
    };
    const home = join(folder, 'home');
    mkdirSync(home);
    vi.stubEnv('HF_HOME', home);
    vi.stubEnv('HF_TOKEN_PATH', undefined);
    await resolve({ fetch: listening });
    expect(new Set(tokens)).toEqual(new Set([null]));
    writeFileSync(join(home, 'token'), 'hf_file\n');
    await resolve({ fetch: listening });
    expect(tokens.at(-1)).toBe('Bearer hf_file');
    vi.stubEnv('HF_TOKEN', 'xyz');
    await resolve({ fetch: listening });
    expect(tokens.at(-1)).toBe('Bearer xyz');
    // Without a home folder none is taken from where the program happens to run.
    for (const name of ['HF_TOKEN', 'HF_HOME', 'HOME', 'XDG_CACHE_HOME']) vi.stubEnv(name, undefined);
    mkdirSync(join(folder, '.cache/huggingface'), { recursive: true });
    writeFileSync(join(folder, '.cache/huggingface/token'), 'hf_anybody');
    const before = process.cwd();
    process.chdir(folder);
    await resolve({ fetch: listening }).finally(() => process.chdir(before));
    expect(tokens.at(-1)).not.toBe('Bearer hf_anybody');
    vi.unstubAllEnvs();
  });

  it('may have a mirror whose address ends in a slash', async () => {
    expect((await resolve({ hubUrl: `${hub.url}/` })).folder).toBe(snapshot);
  });

  it.skipIf(process.getuid?.() !== 0)('is read from a cache that others filled (as root only)', async () => {
    const model = await resolve();
    const files = readdirSync(cacheDir, { recursive: true, encoding: 'utf8' });
    for (const path of ['', ...files])
      chmodSync(join(cacheDir, path), lstatSync(join(cacheDir, path)).isDirectory() ? 0o555 : 0o444);
    const call = `import { downloadModel } from ${JSON.stringify(builtFile('src/formats/hub.js'))};
      process.setgid(12345); process.setuid(12345);
      console.log(JSON.stringify(await downloadModel('org/tiny', ${JSON.stringify({ cacheDir, hubUrl: hub.url })})));`;
    chmodSync(folder, 0o755);
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', call]);
    expect(JSON.parse(stdout).folder).toBe(model.folder);
    for (const path of ['', ...files]) chmodSync(join(cacheDir, path), 0o755);
  });

  it('keeps nothing of a download that arrived damaged, and heals with the next', async () => {
    for (const damage of [weights.subarray(1), Buffer.alloc(weights.length, 'x'), 'cut'] as const) {
      hub.corrupt.set('model.safetensors', damage);
      await expect(resolve()).rejects.toBeInstanceOf(InputError);
      expect(readdirSync(join(storage, 'blobs')).filter((name) => name.includes('incomplete'))).toEqual([]);
      expect(readdirSync(snapshot)).not.toContain('model.safetensors');
      await expect(resolve({ offline: true })).rejects.toThrow(InputError);
    }
    hub.corrupt.clear();
    hub.corrupt.set('config.json', Buffer.from('{"model_type":"gpt3"}'));
    rmSync(cacheDir, { recursive: true });
    await expect(resolve()).rejects.toThrow(/config\.json: arrived damaged/);
    hub.corrupt.clear();
    expect((await resolve()).folder).toBe(snapshot);
  });

  it('stops when asked to', async () => {
    await expect(resolve({ signal: AbortSignal.abort() })).rejects.toThrow(InterruptedError);
    const controller = new AbortController();
    const stopping = resolve({
      signal: controller.signal,
      onProgress: ({ note }) => note === 'model.safetensors' && controller.abort(),
    });
    await expect(stopping).rejects.toThrow(InterruptedError);
    expect(readdirSync(join(storage, 'blobs')).filter((name) => name.includes('incomplete'))).toEqual([]);
    await expect(resolve({ offline: true })).rejects.toThrow(InputError);
  });

  it('does not let a server choose where files go', async () => {
    const evil: typeof fetch = async (input, init) => {
      const answer = await fetch(input, init);
      if (!String(input).includes('/tree/')) return answer;
      const entries = (await answer.json()) as { path: string; oid: string }[];
      for (const entry of entries) if (entry.path === 'config.json') entry.oid = '../../../evil';
      return Response.json(entries);
    };
    await expect(resolve({ fetch: evil })).rejects.toThrow(
      /answered the string "..\/..\/..\/evil" where a hash belongs/,
    );
  });

  it('writes nothing to standard output, which belongs to results', async () => {
    const spies = (['debug', 'info', 'log'] as const).map((level) => vi.spyOn(console, level));
    await resolve();
    for (const spy of spies) expect(spy).not.toHaveBeenCalled();
  });
});
