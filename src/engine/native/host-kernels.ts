/** The kernels of assembly/ with OpenBLAS's products, which decompositions consist of, where it is linked. */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { HostProduct } from '../../kernels/instance.js';
import { loadKernels, type WasmKernels } from '../../kernels/kernels.js';
import { addonPackage, productsPath } from './addon-place.js';
import { kernelsByUser } from './kernel-settings.js';

/** @throws InputError if the kernels are not built */
export async function loadHostKernels(): Promise<WasmKernels> {
  return loadKernels(undefined, linkedProduct());
}

/** Whose products they are, for the record: directions by one and by the other differ in last bits. */
export function productsOfHostKernels(): string {
  return linkedProduct() ? `OpenBLAS${kernelsByUser('OPENBLAS_CORETYPE')}` : 'WebAssembly';
}

/** OpenBLAS's, on one thread; undefined where it is not linked, or not to be found any more. Any thread may ask. */
export function linkedProduct(): HostProduct | undefined {
  try {
    const path = productsPath(addonPackage());
    if (!existsSync(path)) return undefined;
    return (createRequire(import.meta.url)(path) as { multiply: HostProduct }).multiply;
  } catch {
    return undefined;
  }
}
