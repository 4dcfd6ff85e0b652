/** A forecast of scoring loads a few layers, whatever is scored, and looks at every passage's kind. */
import { beforeAll, describe, expect, it } from 'vitest';
import { type Engine, openEngine } from '../../src/engine/engine.js';
import { listComponents } from '../../src/models/components.js';
import type { Model } from '../../src/models/weights.js';
import { packageFile } from '../../src/package-file.js';
import { chooseDirections } from '../../src/score/chosen-directions.js';
import { type ScoringProbe, withProbe } from '../../src/score/scoring-probe.js';
import { type Decomposed, decomposed } from '../support/decomposed.js';
import { openForTest } from '../support/open-model.js';
import { passage, SIZES } from '../support/scoring.js';

let engine: Engine;
let model: Model;
let taken: Decomposed;

beforeAll(async () => {
  engine = await openEngine({ engine: 'wasm' });
  model = await openForTest(packageFile('models/embedded'));
  taken = await decomposed(model);
});

/** What `work` finds, and the layers that were read for it. */
async function probed<T>(list: string, work: (probe: ScoringProbe) => Promise<T>) {
  const read = new Set<number>();
  const watched: Model = Object.assign(Object.create(model), {
    layer: (layer: number) => {
      read.add(layer);
      return model.layer(layer);
    },
  });
  const request = {
    model: watched,
    decomposition: taken.decomposition,
    scored: chooseDirections(list, listComponents(model.architecture)),
    ...{ positions: 'all' as const, workers: 2 },
    ...SIZES,
  };
  const found = await withProbe(engine, request, {}, work);
  return { found, read: [...read].sort() };
}

const block = (count: number) => ({
  clean: Array.from({ length: count }, (_, i) => passage(i + 1, [3, 4, 5 + i], 'all')),
  corrupted: [],
});

describe('a forecast of scoring', () => {
  it('reads two layers of a model of more', async () => {
    expect(model.architecture.nLayers).toBeGreaterThan(2);
    const { found, read } = await probed('all', (probe) => probe.secondsPerToken(block(4)));
    expect(read).toEqual([0, 1]);
    expect(found).toBeGreaterThan(0);
  });

  it('reads those of which most is scored, and runs the first ones in their stead', async () => {
    const { found, read } = await probed('L2H0.qk.0,L1.mlp_in.0-40', async (probe) => [
      probe.loadSeconds,
      await probe.secondsPerToken(block(1)),
    ]);
    expect(read).toEqual([0, 1, 2]);
    for (const seconds of found) expect(seconds).toBeGreaterThan(0);
    const one = await probed('L2H0.qk.0', async (probe) => probe.secondsPerToken(block(1)));
    expect(one.read).toEqual([0, 2]);
  });
});
