/** What this machine has to compute on, asked of the operating system and of NVIDIA's driver. */
import { availableParallelism, cpus, totalmem } from 'node:os';
import { runCommand } from './native/run-command.js';

export interface Device {
  name: string;
  memoryBytes: number;
}

/** The processor, with the memory that this process may use: a container's limit counts. */
export function cpuDevice(): Device {
  const model = cpus()[0]?.model.trim() ?? process.arch;
  const limit = process.constrainedMemory() || Number.POSITIVE_INFINITY;
  return { name: `${model}, ${availableParallelism()} cores`, memoryBytes: Math.min(totalmem(), limit) };
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
