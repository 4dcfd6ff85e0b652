/** `orthoscope engine`: what can compute here, and linking a TensorFlow. */
import type { CommandModule } from 'yargs';
import { type EngineEntry, listEngines } from '../../src/engine/list.js';
import { linkNative } from '../../src/engine/native/link.js';
import { inContext } from '../context.js';
import type { Flags } from '../options.js';

const link: CommandModule<object, Flags> = {
  command: 'link',
  describe:
    'Build the native engine against a TensorFlow: one in Python, --from a folder, or fetched with pip',
  builder: (yargs) =>
    yargs.options({
      from: { type: 'string', describe: 'Folder of a TensorFlow (site-packages, or an unpacked wheel)' },
      pip: { type: 'string', describe: 'pip requirement to fetch, e.g. tensorflow-cpu==2.21.0' },
      cuda: { type: 'boolean', default: false, describe: 'Fetch a TensorFlow for NVIDIA GPUs' },
    }),
  handler: (flags) =>
    inContext(flags, async (context) => {
      const { from, pip, cuda } = flags as { from?: string; pip?: string; cuda?: boolean };
      const linked = await linkNative({ from, pip, cuda, ...context });
      context.result(linked, `linked TensorFlow ${linked.version} (${linked.gpu ? 'GPU' : 'CPU'})`);
    }),
};

export const engineCommand: CommandModule<object, Flags> = {
  command: 'engine',
  describe: 'What can compute here, how fast, and what brings the rest',
  builder: (yargs) => yargs.command(link),
  handler: (flags) =>
    inContext(flags, async (context) => {
      const listing = await listEngines({ measure: true });
      const lines = listing.engines.map(entryLine);
      context.result(listing, [...lines, '', `auto picks ${listing.chosen}: ${listing.reason}`].join('\n'));
    }),
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
