/** A machine with so many GPUs, as far as nvidia-smi and CUDA_VISIBLE_DEVICES tell. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, vi } from 'vitest';

afterEach(() => void vi.unstubAllEnvs());

/**
 * Until the end of the test.
 * @param folder where a program in nvidia-smi's place may lie
 * @param setting of CUDA_VISIBLE_DEVICES
 */
export function pretendGpus(folder: string, count: number, setting?: string): void {
  const lines = Array.from({ length: count }, () => 'echo "NVIDIA H100 80GB HBM3, 81559"');
  writeFileSync(join(folder, 'nvidia-smi'), `#!/bin/sh\n${lines.join('\n')}\n`, { mode: 0o755 });
  vi.stubEnv('PATH', folder);
  vi.stubEnv('CUDA_VISIBLE_DEVICES', setting);
}
