/** `orthoscope engine link`: from any TensorFlow wheel to a working native engine. */
import { InputError } from '../../errors.js';
import type { LongCall } from '../../progress.js';
import { addonPackage, type LinkedTensorFlow } from './addon.js';
import { buildAddon } from './build-addon.js';
import { CPU_WHEEL, CUDA_WHEEL, fetchTensorFlow } from './fetch-tensorflow.js';
import { findPython, tensorflowIn, tensorflowOfPython } from './find-tensorflow.js';

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
}

/**
 * Links the first of: the folder in `from`; what `pip` or `cuda` say to fetch; the TensorFlow in the Python
 * environment; the tested wheel for the CPU, fetched.
 * @throws InputError for whatever is missing; the engine that was linked before, if any, is then still in use
 */
export async function linkNative(options: LinkOptions = {}): Promise<LinkResult> {
  if (process.platform !== 'linux')
    throw new InputError(
      `the native engine needs Linux, this is ${process.platform}; the wasm engine works here`,
    );
  const packageFolder = options.packageFolder ?? addonPackage();
  const tensorflow = await chooseTensorFlow(options);
  return { tensorflow, ...(await buildAddon(packageFolder, tensorflow, options)) };
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
