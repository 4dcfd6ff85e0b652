/** What a benchmark says of the machine that it ran on: processors without wide vectors compare with their like alone. */
import { readFileSync } from 'node:fs';

const WIDE = ['avx2', 'fma', 'avx512f', 'avx512_bf16', 'amx_tile', 'asimd'];

/** Vector features that products depend on, as Linux names them. */
export function processorFeatures(): string {
  try {
    const flags = /^(?:flags|Features)\s*:(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1] ?? '';
    const found = WIDE.filter((flag) => flags.split(' ').includes(flag));
    return found.length > 0 ? found.join(' ') : 'no wide vectors';
  } catch {
    return 'features unknown';
  }
}
