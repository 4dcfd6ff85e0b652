/** Fetches a TensorFlow wheel with pip and unpacks it into the user's cache. Nothing of it is run. */
import { createHash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { InputError } from '../../errors.js';
import { writeJson } from '../../formats/atomic-file.js';
import { cacheFolder } from '../../formats/cache-folder.js';
import { fileError } from '../../formats/file-error.js';
import type { LongCall } from '../../progress.js';
import { tensorflowIn } from './find-tensorflow.js';
import { type CommandResult, lastLines, runCommand } from './run-command.js';

/** The version that this program is tested with. On 64-bit Arm the plain wheel is the one for the CPU. */
export const CPU_WHEEL = `tensorflow${process.arch === 'arm64' ? '' : '-cpu'}==2.21.0`;

/** The same with NVIDIA's libraries as wheels beside it, some 3 GB. */
export const CUDA_WHEEL = 'tensorflow[and-cuda]==2.21.0';

/** Any Python can fetch the wheel of any other, as only its C++ library is used. This one's hash is known. */
const TESTED_PYTHON = '3.11';

/** SHA-256 of the tested wheels. */
const KNOWN_WHEELS: Record<string, string> = {
  'tensorflow_cpu-2.21.0-cp311-cp311-manylinux_2_27_x86_64.whl':
    '2b847d217b02ee7731ed91431daf3250daa0196c3c94614d23be27232e6e5b6c',
  'tensorflow-2.21.0-cp311-cp311-manylinux_2_27_x86_64.whl':
    '9056fbc9ba04235810b71ae6cbd958a196e8804fb53bbcffbf3e23b56155f124',
  'tensorflow-2.21.0-cp311-cp311-manylinux_2_27_aarch64.whl':
    '4b24aca16d527a3cf1c37f720c04c484c3d20f4d0fdfa98632ac8b9f3be6eb5c',
};

/** The list of wheels beside an unpacked TensorFlow; it is written last, so its presence means "complete". */
const RECORD = 'wheels.json';

export interface Wheel {
  file: string;
  sha256: string;
}

export interface FetchOptions extends LongCall {
  python: string;
  /** A pip requirement, or a wheel file. */
  spec: string;
}

/**
 * @returns the folder that holds `tensorflow` (and `nvidia`), from the cache if it was fetched before
 * @throws InputError without pip or network, if no wheel fits, if one is not what it should be, if the disk is full
 */
export async function fetchTensorFlow(options: FetchOptions): Promise<string> {
  const { spec } = options;
  const home = join(cacheFolder(), 'tensorflow');
  const folder = join(home, basename(spec).replace(/[^\w.]+/g, '-'));
  if (spec.includes('==') && existsSync(join(folder, RECORD))) return folder;
  let incoming: string | undefined;
  try {
    await mkdir(home, { recursive: true });
    incoming = await mkdtemp(join(home, '.incoming-'));
    await fill(incoming, options);
    tensorflowIn(incoming);
    await rm(folder, { recursive: true, force: true });
    await rename(incoming, folder);
    return folder;
  } catch (error) {
    if (incoming) await rm(incoming, { recursive: true, force: true });
    throw fileError(error, home);
  }
}

async function fill(folder: string, options: FetchOptions): Promise<void> {
  const { python, spec, signal, onProgress } = options;
  const downloads = join(folder, 'wheels');
  onProgress?.({ stage: 'fetch', done: 0, total: 2, note: `downloading ${spec}` });
  await download(downloads, options);
  onProgress?.({ stage: 'fetch', done: 1, total: 2, note: 'checking and unpacking' });
  const wheels: Wheel[] = [];
  for (const file of (await readdir(downloads)).sort()) {
    if (!/^(tensorflow|nvidia_).*\.whl$/.test(file)) continue;
    wheels.push(await checkWheel(join(downloads, file)));
    const unpacked = await runCommand(python, ['-m', 'zipfile', '-e', join(downloads, file), folder], {
      signal,
    });
    if (unpacked.code !== 0) throw new InputError(`unpacking ${file}: ${explain(unpacked)}`);
  }
  await rm(downloads, { recursive: true });
  await writeJson(join(folder, RECORD), wheels);
  onProgress?.({ stage: 'fetch', done: 2, total: 2 });
}

async function download(folder: string, { python, spec, signal }: FetchOptions): Promise<void> {
  const pip = await runCommand(python, ['-m', 'pip', '--version'], { signal });
  if (pip.code !== 0)
    throw new InputError(
      `${python} has no pip; install it (Debian: apt install python3-pip) or use --from DIR`,
    );
  const args = ['-m', 'pip', 'download', '--quiet', '--disable-pip-version-check', '--only-binary=:all:'];
  if (spec === CPU_WHEEL || spec === CUDA_WHEEL) args.push('--python-version', TESTED_PYTHON);
  if (!spec.includes('[and-cuda]')) args.push('--no-deps');
  const result = await runCommand(python, [...args, '--dest', folder, spec], { signal });
  if (result.code !== 0) throw new InputError(`pip download ${spec}: ${explain(result)}`);
}

async function checkWheel(path: string): Promise<Wheel> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk);
  const wheel = { file: basename(path), sha256: hash.digest('hex') };
  const known = KNOWN_WHEELS[wheel.file];
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
