/** Sweeps of runs so short that a test can afford them; their circuits mean nothing. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Settings of a run of a second. */
const TINY = {
  engine: 'wasm',
  'train-pairs': 16,
  'validation-pairs': 4,
  'test-pairs': 8,
  'batch-size': 8,
  steps: 4,
  'rounding-steps': 3,
  'validate-every': 4,
  lr: 1,
  l1: 0.1,
  'rounding-lr': 0.5,
  'control-seeds': 1,
  resamples: 20,
  attack: 0,
};

/**
 * Writes a plan of tiny runs and returns its path.
 * @param rest more of the plan
 * @param changes settings in place of the tiny ones
 */
export function tinyPlan(
  folder: string,
  name: string,
  rest: string,
  changes: Partial<typeof TINY> = {},
): string {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, `${name}.yaml`);
  const fixed = Object.entries({ ...TINY, ...changes }).map(([key, value]) => `${key}: ${value}\n`);
  writeFileSync(path, `${fixed.join('')}${rest}\n`);
  return path;
}
