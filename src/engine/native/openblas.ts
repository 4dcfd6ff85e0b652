/** OpenBLAS, whose products of float32 matrices are faster than TensorFlow's on x86-64 (bench/RESULTS.md). */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { InputError } from '../../errors.js';
import { type FetchOptions, fetchWheels } from './fetch-wheels.js';

/** NumPy's and SciPy's own build, as a wheel of 8 MB. */
const OPENBLAS_WHEEL = 'scipy-openblas32==0.3.34.481.3';

const KNOWN_WHEELS: Record<string, string> = {
  'scipy_openblas32-0.3.34.481.3-py3-none-manylinux_2_27_x86_64.manylinux_2_28_x86_64.whl':
    '0595f94cd58c1f8a0d90c975621f4587337a003916b1979e834ebdf2cb5d9504',
};

export const OPENBLAS_LIBRARY = 'libscipy_openblas.so';

/** Whether it was found to be the faster one on machines of this kind; on 64-bit Arm nobody measured. */
export const openBlasPays = process.arch === 'x64';

/** What a compiler and a linker are told. */
export interface OpenBlas {
  include: string;
  library: string;
}

/** The one in an unpacked wheel or a site-packages. @throws InputError that names what is missing */
export function openBlasIn(folder: string): OpenBlas {
  const found = { include: part(folder, 'include'), library: part(folder, 'lib') };
  for (const path of [join(found.include, 'cblas.h'), join(found.library, OPENBLAS_LIBRARY)])
    if (!existsSync(path)) throw new InputError(`${folder}: no ${path.slice(resolve(folder).length + 1)}`);
  return found;
}

/** From the cache if it was fetched before. @throws InputError as {@link fetchWheels} does */
export async function fetchOpenBlas(options: Omit<FetchOptions, 'spec'>): Promise<OpenBlas> {
  const wanted = { home: 'openblas', wheels: /^scipy_openblas32.*\.whl$/, known: KNOWN_WHEELS };
  const complete = { ...wanted, pip: ['--no-deps'], verify: openBlasIn };
  return openBlasIn(await fetchWheels(complete, { ...options, spec: OPENBLAS_WHEEL }));
}

function part(folder: string, name: string): string {
  return resolve(folder, 'scipy_openblas32', name);
}
