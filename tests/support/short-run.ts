/** A run of the embedded model so short that a test can afford it; its circuit means nothing. */
import { expect } from 'vitest';
import { orthoscopeHere } from './command-here.js';

const SETTINGS = {
  engine: 'wasm',
  'train-pairs': 16,
  'validation-pairs': 8,
  'test-pairs': 12,
  'page-prompts': 2,
  steps: 4,
  'rounding-steps': 2,
  'control-seeds': 1,
  attack: 3,
};

/** @param changes settings in place of these, or beside them */
export async function shortRun(
  out: string,
  cache: string,
  changes: Record<string, string | number> = {},
): Promise<void> {
  const flags = Object.entries({ ...SETTINGS, ...changes }).flatMap(([name, value]) => [
    `--${name}`,
    String(value),
  ]);
  const { code, stderr } = await orthoscopeHere(['run', '--out', out, ...flags], { cache });
  expect(code, stderr).toBe(0);
}
