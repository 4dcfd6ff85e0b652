/** The TensorFlow that the native engine is linked to, as wheels. */
import { type FetchOptions, fetchWheels } from './fetch-wheels.js';
import { tensorflowIn } from './find-tensorflow.js';

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

/**
 * @returns the folder that holds `tensorflow` (and `nvidia`), from the cache if it was fetched before
 * @throws InputError as {@link fetchWheels} does
 */
export function fetchTensorFlow(options: FetchOptions): Promise<string> {
  const { spec } = options;
  const tested = spec === CPU_WHEEL || spec === CUDA_WHEEL;
  const pip = tested ? ['--python-version', TESTED_PYTHON] : [];
  if (!spec.includes('[and-cuda]')) pip.push('--no-deps');
  const wheels = /^(tensorflow|nvidia_).*\.whl$/;
  return fetchWheels({ home: 'tensorflow', wheels, known: KNOWN_WHEELS, pip, verify: tensorflowIn }, options);
}
