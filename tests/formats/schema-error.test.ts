import { expect, it } from 'vitest';
import { z } from 'zod';
import { inputErrorOf } from '../../src/formats/schema-error.js';

const schema = z.strictObject({
  steps: z.int().min(1),
  l1: z.union([z.number(), z.literal('auto')]).default('auto'),
  form: z.enum(['folded', 'reference']).default('folded'),
  hash: z
    .string()
    .regex(/^[0-9a-f]+$/, 'is not a hash')
    .default('a'),
  prompts: z
    .union([
      z.strictObject({ task: z.string(), counts: z.object({ train: z.int() }) }),
      z.strictObject({ data: z.string() }),
    ])
    .optional(),
  lr: z.array(z.number().lt(1)).min(1).optional(),
});

function messageFor(value: unknown, spelled?: (path: readonly PropertyKey[]) => string): string {
  const result = schema.safeParse(value);
  if (result.success) return expect.fail('accepted');
  const error = inputErrorOf(result.error, 'a.json', value, spelled);
  expect(error.name).toBe('InputError');
  return error.message;
}

it.each<[unknown, string]>([
  [{}, 'steps: missing'],
  [{ steps: 1.5 }, 'steps 1.5: expected a whole number'],
  [{ steps: Number.NaN }, 'steps NaN: expected a number'],
  [{ steps: 0 }, 'steps 0: must be at least 1'],
  [{ steps: 'many' }, 'steps "many": expected a number'],
  [{ steps: null }, 'steps null: expected a number'],
  [{ steps: [1] }, 'steps: expected a number'],
  [{ steps: 1, l1: 'cheap' }, 'l1 "cheap": expected a number or "auto"'],
  [{ steps: 1, form: 'raw' }, 'form "raw": choose one of "folded", "reference"'],
  [{ steps: 1, hash: 'X' }, 'hash "X": is not a hash'],
  [{ steps: 1, step: 2, stop: 3 }, 'unknown key "step", "stop"'],
  [{ steps: 1, lr: [] }, 'lr: must be at least 1 items long'],
  [{ steps: 1, lr: [0, 1] }, 'lr.1 1: must be less than 1'],
  // Of shapes to choose from, the one that was meant.
  [
    { steps: 1, prompts: { task: 'ioi', counts: { train: 'x' } } },
    'prompts.counts.train "x": expected a number',
  ],
  [{ steps: 1, prompts: 'ioi' }, 'prompts "ioi": expected an object'],
  // All of several, as far as a line holds them.
  [{ steps: 0, form: 'raw' }, 'steps 0: must be at least 1; form "raw": choose one of "folded", "reference"'],
  [
    { steps: 0, l1: true, form: 1, hash: '' },
    'steps 0: must be at least 1; l1 true: expected a number or "auto"; form 1: choose one of "folded", "reference"; and 1 more',
  ],
  ['text', '"text": expected an object'],
  [null, 'null: expected an object'],
])('says what is wrong with %j', (value, message) => {
  expect(messageFor(value)).toBe(`a.json: ${message}`);
});

it('spells paths as it is told', () => {
  expect(messageFor({ steps: 0 }, ([key]) => `--${String(key)}`)).toBe(
    'a.json: --steps 0: must be at least 1',
  );
});
