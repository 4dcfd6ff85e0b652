/** What an earlier version linked: it is told by the operations, or the products, that it has not. */
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { type Engine, openEngine } from '../../../src/engine/engine.js';
import { knows, OF_PRODUCTS, offerFused } from '../../../src/engine/native/fused.js';
import { linkedProduct } from '../../../src/engine/native/host-kernels.js';
import { ONE_PASS } from '../../../src/engine/ops/one-pass.js';
import { availableEngines } from '../../support/engines.js';

type Backend = Parameters<typeof knows>[0];

describe.runIf(availableEngines().includes('native-cpu'))('a linked addon', () => {
  let engine: Engine;
  let backend: Backend;

  beforeAll(async () => {
    engine = await openEngine({ engine: 'native-cpu' });
    backend = tf.backend() as unknown as Backend;
  });
  afterEach(() => vi.restoreAllMocks());

  it('knows an operation without running it', () => {
    expect(knows(backend, 'MatMul')).toBe(true);
    expect(knows(backend, 'OrthoscopeNoSuchOperation')).toBe(false);
  });

  it('is of this version where it knows all of its operations', () => {
    const { outdated } = offerFused();
    const openblas = knows(backend, 'OrthoscopeProduct');
    const names = Object.keys(ONE_PASS) as (keyof typeof ONE_PASS)[];
    const expected = names.filter((name) => openblas || !OF_PRODUCTS.has(name));
    expect(outdated).toBe(!expected.every((name) => knows(backend, name)));
    expect(engine.outdated === null).toBe(!outdated && (!openblas || linkedProduct() !== undefined));
    if (engine.outdated !== null) expect(engine.reason).toContain(engine.outdated);
  });

  it.each(['OrthoscopeJoin', 'OrthoscopeActivate'])('is an outdated one without %s', (missing) => {
    const execute = backend.executeMultipleOutputs.bind(backend);
    vi.spyOn(backend, 'executeMultipleOutputs').mockImplementation((name, ...given) =>
      execute(name === missing ? 'OrthoscopeNoSuchOperation' : name, ...given),
    );
    expect(offerFused().outdated).toBe(true);
  });
});
