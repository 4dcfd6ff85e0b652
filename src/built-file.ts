/** Where the build put a file: the same place whether this code runs from dist/ or, under the test runner, from src/. */
import { fileURLToPath } from 'node:url';

/** Absolute path of a file below dist/, e.g. `wasm/kernels-simd.wasm`. */
export function builtFile(path: string): string {
  const dist = import.meta.url.endsWith('.ts') ? '../dist/' : '../';
  return fileURLToPath(new URL(dist + path, import.meta.url));
}
