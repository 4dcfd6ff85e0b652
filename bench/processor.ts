/** What a benchmark says of what it ran on: processors without wide vectors compare with their like alone. */
import { readFileSync } from 'node:fs';
import { type Engine, type EngineChoice, openEngine } from '../src/engine/engine.js';

/** An engine, and whether another link would make it a faster one: its figures are not those of this version then. */
export function describeEngine({ name, version, outdated }: Engine): string {
  return `${name} (${version}${outdated === null ? '' : `; OUTDATED: ${outdated}`})`;
}

/** {@link describeEngine} of the one that a choice opens in this process. */
export async function namedEngine(choice: string): Promise<string> {
  return describeEngine(await openEngine({ engine: choice as EngineChoice }));
}

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
