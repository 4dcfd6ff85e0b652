/** `orthoscope engine`: what can compute here, and linking a TensorFlow. */
import { linkEngine, listEngines } from '../../src/commands/engine.js';
import type { EngineEntry } from '../../src/engine/list.js';
import type { Handler } from '../context.js';

export const engine: Handler<'engine'> = async (_, context) => {
  const listing = await listEngines();
  const lines = listing.engines.map(entryLine);
  context.result(listing, [...lines, '', `auto picks ${listing.chosen}: ${listing.reason}`].join('\n'));
};

export const link: Handler<'engine link'> = async (settings, context) => {
  const linked = await linkEngine(settings, context);
  const products =
    linked.withoutOpenblas === null
      ? 'with OpenBLAS for products'
      : `without OpenBLAS (${linked.withoutOpenblas}): products on the CPU are slower`;
  context.result(linked, `linked TensorFlow ${linked.version} (${linked.gpu ? 'GPU' : 'CPU'}), ${products}`);
};

function entryLine({ name, available, note, version, devices, gflops }: EngineEntry): string {
  const speed = gflops === null ? '' : `  ${gflops.toFixed(0)} GFLOPS`;
  const where = devices
    .map((device) => `${device.name}, ${(device.memoryBytes / 2 ** 30).toFixed(0)} GiB`)
    .join('; ');
  return available
    ? `${name.padEnd(11)} ${version}${speed}  ${where}`
    : `${name.padEnd(11)} not available: ${note}`;
}
