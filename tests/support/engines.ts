/** Runs one suite over every engine of this machine, and says in the titles what it had to skip and why. */
import { beforeAll, describe } from 'vitest';
import { type Engine, type EngineName, openEngine } from '../../src/engine/engine.js';
import { InputError } from '../../src/errors.js';

/** The native engine's name, or why there is none. */
const native: { name: EngineName } | { missing: string } = await openEngine({ engine: 'native' }).catch(
  (error) => {
    if (error instanceof InputError) return { missing: error.message };
    throw error;
  },
);

/** wasm always; the native engine, on the GPU or else the CPU, if it is linked. */
export function availableEngines(): EngineName[] {
  return 'name' in native ? [native.name, 'wasm'] : ['wasm'];
}

/**
 * A `describe` for each engine. The engine is the process's current one while its tests run.
 * @param body registers tests; it may call `engine()` inside them, not before
 */
export function describeOnEngines(title: string, body: (engine: () => Engine) => void): void {
  for (const name of availableEngines())
    describe(`${title} [${name}]`, () => {
      let engine: Engine;
      beforeAll(async () => {
        engine = await openEngine({ engine: name });
      });
      body(() => engine);
    });
  if ('missing' in native)
    describe.skip(`${title} [native, skipped: ${native.missing}]`, () => body(neverOpened));
}

function neverOpened(): never {
  throw new Error('this engine is not there');
}
