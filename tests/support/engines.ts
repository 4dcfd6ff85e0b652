/** Runs one suite over every engine of this machine, and says in the titles what it had to skip and why. */
import { beforeAll, describe } from 'vitest';
import { type Engine, type EngineChoice, type EngineName, openEngine } from '../../src/engine/engine.js';
import { InputError } from '../../src/errors.js';

/** An engine's name, or why it is not there. */
type Found = { name: EngineName } | { missing: string };

const native = await find('native');

async function find(engine: EngineChoice): Promise<Found> {
  try {
    return await openEngine({ engine });
  } catch (error) {
    if (error instanceof InputError) return { missing: error.message };
    throw error;
  }
}

/** wasm always; the native engine, on the GPU or else the CPU, if it is linked. */
export function availableEngines(): EngineName[] {
  return 'name' in native ? [native.name, 'wasm'] : ['wasm'];
}

/**
 * A `describe` for each engine. The engine is the process's current one while its tests run.
 * @param body registers tests; it may call `engine()` inside them, not before
 * @param options.further engines that are slow on software drivers, for few tests
 */
export function describeOnEngines(
  title: string,
  body: (engine: () => Engine) => void,
  { further = [] }: { further?: EngineName[] } = {},
): void {
  for (const name of [...availableEngines(), ...further])
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

/** WebGPU where it runs. Its own tests say what is missing where it does not. */
export async function webGpu(): Promise<EngineName[]> {
  return 'name' in (await find('webgpu')) ? ['webgpu'] : [];
}

function neverOpened(): never {
  throw new Error('this engine is not there');
}
