/** What this machine has to compute on, asked of the operating system and of NVIDIA's driver. */
import { cpus, totalmem } from 'node:os';
import { coresHere } from '../cores.js';
import { InputError } from '../errors.js';
import { runCommand } from './native/run-command.js';

export interface Device {
  name: string;
  memoryBytes: number;
}

/** The processor, with the memory that this process may use: a container's limit counts. */
export function cpuDevice(): Device {
  const model = cpus()[0]?.model.trim() ?? process.arch;
  const limit = process.constrainedMemory() || Number.POSITIVE_INFINITY;
  return { name: `${model}, ${coresHere()} cores`, memoryBytes: Math.min(totalmem(), limit) };
}

/** NVIDIA's GPUs by way of nvidia-smi, which comes with the driver; none without it. */
export async function nvidiaDevices(): Promise<Device[]> {
  const query = ['--query-gpu=name,memory.total', '--format=csv,noheader,nounits'];
  const { code, stdout } = await runCommand('nvidia-smi', query);
  if (code !== 0) return [];
  const rows = stdout
    .trim()
    .split('\n')
    .map((line) => line.split(', '));
  return rows.map(([name, mebibytes]) => ({ name: name!, memoryBytes: Number(mebibytes) * 2 ** 20 }));
}

/**
 * The names of so many GPUs, each of which makes CUDA_VISIBLE_DEVICES for a process that is to use that one.
 * @throws InputError if there are fewer
 */
export async function cudaDevices(count: number): Promise<string[]> {
  const found = await nvidiaDevices();
  const setting = process.env.CUDA_VISIBLE_DEVICES;
  const names = visibleDevices(setting, found.length);
  if (names.length >= count) return names.slice(0, count);
  const seen = `nvidia-smi lists ${found.length}${setting === undefined ? '' : `, CUDA_VISIBLE_DEVICES is "${setting}"`}`;
  throw new InputError(
    `--workers ${count}: on the engine native-gpu that is ${count} GPUs, and only ${names.length} can be used (${seen}); ` +
      (names.length > 0
        ? `give at most ${names.length}`
        : 'set CUDA_VISIBLE_DEVICES to those that are to be used'),
  );
}

/**
 * What a process sees that sees all, as CUDA reads its setting: indices, or ids such as `GPU-1f3a` and `MIG-7c20`, up
 * to the first index that there is not.
 * @param setting CUDA_VISIBLE_DEVICES
 * @param found how many GPUs nvidia-smi lists; 0 if it is not there, and any index is believed
 */
export function visibleDevices(setting: string | undefined, found: number): string[] {
  if (setting === undefined) return Array.from({ length: found }, (_, index) => String(index));
  const names = setting.split(',').map((name) => name.trim());
  const isDevice = (name: string) =>
    /^(GPU|MIG)-/.test(name) || (/^\d+$/.test(name) && (found === 0 || Number(name) < found));
  const end = names.findIndex((name) => !isDevice(name));
  return end === -1 ? names : names.slice(0, end);
}
