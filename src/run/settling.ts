/** Whether a run's masks had settled, from what its folder holds. */
import { existsSync } from 'node:fs';
import type { Settling } from '../evaluate/metrics-file.js';
import { settlingOf } from '../evaluate/settling.js';
import type { RunFolder } from '../formats/run-folder.js';
import { readMasks } from '../masks/masks-file.js';

/** @returns null where the folder has no record of training */
export async function settlingIn(run: RunFolder): Promise<Settling | null> {
  const before = run.file('checkpoints/soft.safetensors');
  const { values } = await readMasks(existsSync(before) ? before : run.file('masks.safetensors'));
  return settlingOf(await run.readHistory(), values.values());
}
