import { createRequire } from 'node:module';
import { expect, test } from 'vitest';

const util = createRequire(import.meta.url)('node:util');

test('what a newer Node removed from node:util, and the addon still calls, is given back', async () => {
  const before = { isArray: util.isArray, isNullOrUndefined: util.isNullOrUndefined };
  delete util.isArray;
  delete util.isNullOrUndefined;
  try {
    await import('../../../src/engine/native/removed-from-node.js');
    expect([[], 'x', {}].map((value) => util.isArray(value))).toEqual([true, false, false]);
    expect([null, undefined, 0].map((value) => util.isNullOrUndefined(value))).toEqual([true, true, false]);
  } finally {
    Object.assign(util, before);
  }
});
