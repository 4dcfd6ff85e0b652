/** A state that training goes on from is what training wrote, or is refused. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { initialState } from '../../src/masks/train-state.js';
import { readCheckpoint, writeCheckpoint } from '../../src/run/checkpoint.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const folder = temporaryFolder();
const path = join(folder, 'state.safetensors');
const state = () => ({ ...initialState(5, 0.9), step: 7, phaseStep: 3, best: new Float32Array(5) });

it('comes back as it was, before and after the first validation', async () => {
  for (const bestObjective of [Number.POSITIVE_INFINITY, 1e-7, -3.5]) {
    await writeCheckpoint(path, { ...state(), bestObjective });
    expect(await readCheckpoint(path, 5)).toEqual({ ...state(), bestObjective });
  }
  expect(await readCheckpoint(join(folder, 'none'), 5)).toBe(null);
});

it.each([
  ['"step":"7"', '"step":"x"', /step "x"/],
  ['"phase":"soft"', '"phase":"oops"', /phase "oops"/],
  ['"best_objective":"Infinity"', '"best_objective":"NaN     "', /best_objective "NaN/],
  ['"waited":"0"', '"waited":" "', /waited " "/],
  ['"schema_version":"1"', '"schema_version":"9"', /schema_version "9"/],
])('is refused where %s became %s', async (from, to, message) => {
  await writeCheckpoint(path, state());
  const text = readFileSync(path, 'latin1');
  expect(text).toContain(from);
  writeFileSync(path, text.replace(from, to), 'latin1');
  await expect(readCheckpoint(path, 5)).rejects.toThrow(message);
  await expect(readCheckpoint(path, 5)).rejects.toThrow(/state\.safetensors: .*start a new run/);
});

it('is refused with other numbers than the model has masks, and with NaN', async () => {
  await writeCheckpoint(path, state());
  await expect(readCheckpoint(path, 6)).rejects.toThrow(/holds 5 masks, the model has 6/);
  await writeCheckpoint(path, { ...state(), best: new Float32Array(4) });
  await expect(readCheckpoint(path, 5)).rejects.toThrow(/holds 4 numbers in "best", the model has 5/);
  await writeCheckpoint(path, { ...state(), shares: new Float32Array(3) });
  await expect(readCheckpoint(path, 5)).rejects.toThrow(/holds 3 numbers in "shares"/);
  await writeCheckpoint(path, { ...state(), soft: new Float32Array(5).fill(Number.NaN) });
  await expect(readCheckpoint(path, 5)).rejects.toThrow(/"soft" holds NaN at index 0/);
});
