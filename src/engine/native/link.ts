/** `orthoscope engine link`: from any TensorFlow wheel to a working native engine. */
import { InputError } from '../../errors.js';
import type { LongCall } from '../../progress.js';
import type { LinkedTensorFlow } from './addon.js';
import { addonPackage } from './addon-place.js';
import { buildAddon } from './build-addon.js';
import { CPU_WHEEL, CUDA_WHEEL, fetchTensorFlow } from './fetch-tensorflow.js';
import { findPython, tensorflowIn, tensorflowOfPython } from './find-tensorflow.js';
import { fetchOpenBlas, type OpenBlas, openBlasIn, openBlasPays } from './openblas.js';

export interface LinkOptions extends LongCall {
  /** A folder with TensorFlow's libraries, an unpacked wheel, or a site-packages. */
  from?: string;
  /** What to fetch with pip: a requirement such as `tensorflow-cpu==2.15.1`, or a wheel file. */
  pip?: string;
  /** Fetch the TensorFlow for NVIDIA GPUs. */
  cuda?: boolean;
  /** Of tfjs-node-gpu; the installed one by default. */
  packageFolder?: string;
}

export interface LinkResult extends LinkedTensorFlow {
  /** The folder that the addon now refers to: it must stay. */
  tensorflow: string;
  /** The folder with OpenBLAS's library, which must stay too; null where products are TensorFlow's. */
  openblas: string | null;
  /** Why products are TensorFlow's; null where they are not. */
  withoutOpenblas: string | null;
}

/**
 * Links the first of: the folder in `from`; what `pip` or `cuda` say to fetch; the TensorFlow in the Python
 * environment; the tested wheel for the CPU, fetched. With it goes OpenBLAS, where it can be had: from the same
 * folder, else fetched.
 * @throws InputError for whatever is missing; the engine that was linked before, if any, is then still in use
 */
export async function linkNative(options: LinkOptions = {}): Promise<LinkResult> {
  if (process.platform !== 'linux')
    throw new InputError(
      `the native engine needs Linux, this is ${process.platform}; the wasm engine works here`,
    );
  const packageFolder = options.packageFolder ?? addonPackage();
  const tensorflow = await chooseTensorFlow(options);
  const { openblas, why } = await chooseOpenBlas(options);
  const linked = await buildAddon(packageFolder, { tensorflow, openblas }, options);
  return { tensorflow, openblas: openblas?.library ?? null, withoutOpenblas: why, ...linked };
}

/** The engine works without it, only slower: whatever is wrong with it stops nothing. */
async function chooseOpenBlas({
  from,
  onProgress,
  signal,
}: LinkOptions): Promise<{ openblas?: OpenBlas; why: string | null }> {
  if (!openBlasPays) return { why: `not tried on ${process.arch}` };
  try {
    if (from !== undefined) return { openblas: openBlasIn(from), why: null };
    const python = await findPython();
    if (!python) return { why: 'no Python 3 to fetch OpenBLAS with' };
    return { openblas: await fetchOpenBlas({ python, onProgress, signal }), why: null };
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    return { why: error.message };
  }
}

async function chooseTensorFlow({ from, pip, cuda, onProgress, signal }: LinkOptions): Promise<string> {
  if ([from !== undefined, pip !== undefined, cuda].filter(Boolean).length > 1)
    throw new InputError('--from, --pip and --cuda exclude one another');
  if (from !== undefined) return tensorflowIn(from);
  const python = await findPython();
  if (!python)
    throw new InputError('no Python 3 to fetch TensorFlow with; install python3 and pip, or use --from DIR');
  if (pip === undefined && !cuda) {
    const present = await tensorflowOfPython(python);
    if (present) return present;
  }
  const spec = pip ?? (cuda ? CUDA_WHEEL : CPU_WHEEL);
  return tensorflowIn(await fetchTensorFlow({ python, spec, onProgress, signal }));
}
