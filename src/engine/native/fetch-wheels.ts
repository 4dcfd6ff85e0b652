/** Fetches wheels with pip and unpacks them into the user's cache. Nothing of them is run. */
import { createHash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { InputError } from '../../errors.js';
import { writeJson } from '../../formats/atomic-file.js';
import { cacheFolder } from '../../formats/cache-folder.js';
import { fileError } from '../../formats/file-error.js';
import type { LongCall } from '../../progress.js';
import { type CommandResult, lastLines, runCommand } from './run-command.js';

/** The list of wheels beside what was unpacked; it is written last, so its presence means "complete". */
const RECORD = 'wheels.json';

interface Wheel {
  file: string;
  sha256: string;
}

export interface Wanted {
  /** Its folder in the cache. */
  home: string;
  /** Which of the files that pip brings are unpacked. */
  wheels: RegExp;
  /** Of the ones this program is tested with, SHA-256 by file name. */
  known: Record<string, string>;
  /** More for pip: whose wheel, with what it depends on or without. */
  pip: readonly string[];
  /** @throws InputError where the folder does not hold what was asked for */
  verify(folder: string): unknown;
}

export interface FetchOptions extends LongCall {
  python: string;
  /** A pip requirement, or a wheel file. */
  spec: string;
}

/**
 * @returns the folder they were unpacked in, from the cache if a version was fetched before
 * @throws InputError without pip or network, if no wheel fits, if one is not what it should be, if the disk is full
 */
export async function fetchWheels(wanted: Wanted, options: FetchOptions): Promise<string> {
  const { spec } = options;
  const home = join(cacheFolder(), wanted.home);
  const folder = join(home, basename(spec).replace(/[^\w.]+/g, '-'));
  if (spec.includes('==') && existsSync(join(folder, RECORD))) return folder;
  let incoming: string | undefined;
  try {
    await mkdir(home, { recursive: true });
    incoming = await mkdtemp(join(home, '.incoming-'));
    await fill(incoming, wanted, options);
    wanted.verify(incoming);
    await rm(folder, { recursive: true, force: true });
    await rename(incoming, folder);
    return folder;
  } catch (error) {
    if (incoming) await rm(incoming, { recursive: true, force: true });
    throw fileError(error, home);
  }
}

async function fill(folder: string, wanted: Wanted, options: FetchOptions): Promise<void> {
  const { python, spec, signal, onProgress } = options;
  const downloads = join(folder, 'wheels');
  onProgress?.({ stage: 'fetch', done: 0, total: 2, note: `downloading ${spec}` });
  await download(downloads, wanted, options);
  onProgress?.({ stage: 'fetch', done: 1, total: 2, note: 'checking and unpacking' });
  const wheels: Wheel[] = [];
  for (const file of (await readdir(downloads)).sort()) {
    if (!wanted.wheels.test(file)) continue;
    wheels.push(await checkWheel(join(downloads, file), wanted));
    const unpacked = await runCommand(python, ['-m', 'zipfile', '-e', join(downloads, file), folder], {
      signal,
    });
    if (unpacked.code !== 0) throw new InputError(`unpacking ${file}: ${explain(unpacked)}`);
  }
  await rm(downloads, { recursive: true });
  await writeJson(join(folder, RECORD), wheels);
  onProgress?.({ stage: 'fetch', done: 2, total: 2 });
}

async function download(
  folder: string,
  wanted: Wanted,
  { python, spec, signal }: FetchOptions,
): Promise<void> {
  const pip = await runCommand(python, ['-m', 'pip', '--version'], { signal });
  if (pip.code !== 0)
    throw new InputError(
      `${python} has no pip; install it (Debian: apt install python3-pip) or use --from DIR`,
    );
  const args = ['-m', 'pip', 'download', '--quiet', '--disable-pip-version-check', '--only-binary=:all:'];
  const result = await runCommand(python, [...args, ...wanted.pip, '--dest', folder, spec], { signal });
  if (result.code !== 0) throw new InputError(`pip download ${spec}: ${explain(result)}`);
}

async function checkWheel(path: string, { known: hashes }: Wanted): Promise<Wheel> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk);
  const wheel = { file: basename(path), sha256: hash.digest('hex') };
  const known = hashes[wheel.file];
  if (known !== undefined && known !== wheel.sha256)
    throw new InputError(
      `${wheel.file}: its SHA-256 is ${wheel.sha256}, not ${known}; the download was damaged or tampered with`,
    );
  return wheel;
}

/** What pip or zipfile complained of, as something that a user can act on. */
function explain(result: CommandResult): string {
  const said = result.stdout + result.stderr;
  if (/No space left on device|Errno 28/.test(said))
    return 'no space left on the disk; free some, or set ORTHOSCOPE_CACHE and TMPDIR to a larger one';
  if (
    /NewConnectionError|Connection refused|name resolution|ConnectTimeout|ReadTimeout|SSLError|ProxyError/.test(
      said,
    )
  )
    return 'no network; unpack the wheel elsewhere and use --from DIR';
  if (/from versions: none/.test(said))
    return 'pip finds no version of it; check the network, the name, and that this Python is one it is made for';
  if (/No matching distribution|is not a supported wheel/.test(said))
    return 'there is no wheel of it for this Python and machine; ask for another version, or use another Python';
  return lastLines(result);
}
