/** Masks of the embedded model shared out over processes: the figures of one process, every time. */

import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decompose } from '../../src/decompose/decompose.js';
import type { Decomposition } from '../../src/decompose/directions.js';
import { DecompositionStore } from '../../src/decompose/store.js';
import { openEngine } from '../../src/engine/engine.js';
import { InputError, InterruptedError } from '../../src/errors.js';
import { SCORES } from '../../src/evaluate/metrics.js';
import type { TokenPair } from '../../src/formats/token-pairs.js';
import { MaskLayout } from '../../src/forward/layout.js';
import { MaskedModel } from '../../src/forward/masked-model.js';
import type { Positions, Replacement } from '../../src/forward/masking-rules.js';
import type { Kind } from '../../src/models/components.js';
import type { Model } from '../../src/models/weights.js';
import { packageFile } from '../../src/package-file.js';
import { openProcesses, type Place } from '../../src/pool/processes.js';
import { Random } from '../../src/random.js';
import { loadData } from '../../src/run/data.js';
import { type MaskRunner, runnerInThisThread } from '../../src/run/mask-runner.js';
import { openParallelRunner } from '../../src/run/parallel-runner.js';
import { withSubject } from '../../src/run/subject.js';
import { REPLACEMENTS } from '../../src/settings/choices.js';
import { complete } from '../../src/settings/complete.js';
import { openForTest } from '../support/open-model.js';
import { temporaryFolder } from '../support/temporary-folder.js';

/** TensorFlow where it is linked: a process each is what it needs. */
const engine = await openEngine({ engine: 'native-cpu' }).catch((error) => {
  if (error instanceof InputError) return openEngine({ engine: 'wasm' });
  throw error;
});
/** TensorFlow's threads wait for one another without rest: with more of them than cores that takes long. */
const env = { TF_NUM_INTRAOP_THREADS: '1', TF_NUM_INTEROP_THREADS: '1', OMP_NUM_THREADS: '1' };
const places = ['a', 'b'].map((name): Place => ({ name: `device ${name}`, env }));
/** Several passes a share. The runner alone keeps pasts, where there are any; processes are sent none. */
const passes = { train: 40, forward: 60, keepPast: true };
const store = new DecompositionStore(join(temporaryFolder(), 'store'));
const folder = packageFile('models/embedded');

let model: Model;
let decomposition: Decomposition;
let pairs: readonly TokenPair[];

beforeAll(async () => {
  model = await openForTest(folder);
  decomposition = await decompose(model, { store, workers: 1 });
  const request = complete('run', { task: 'ioi', positions: 'all', seed: 4, testPairs: 25 });
  const { splits } = await withSubject(folder, { form: 'reference', bos: 'auto' }, (subject) =>
    loadData(subject, request, ['test']),
  );
  pairs = splits.test!;
});

interface Masked {
  positions: Positions;
  kinds: readonly Kind[];
}

function overProcesses(
  { positions, kinds }: Masked,
  { at = places, signal }: { at?: Place[]; signal?: AbortSignal } = {},
): Promise<MaskRunner> {
  const { architecture, form, qkSplit } = model;
  return openParallelRunner({
    model: {
      engine: engine.name,
      folder,
      form,
      qkSplit,
      store: store.folder,
      key: decomposition.key,
      kinds,
      positions,
    },
    masking: { architecture, layout: new MaskLayout(architecture, kinds), positions },
    openPool: (file) => openProcesses({ file, places: at }),
    passes,
    signal,
  });
}

/** The largest difference of two arrays, over the largest value; 0 if they are equal. */
function difference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let [largest, furthest] = [0, 0];
  for (let i = 0; i < a.length; i++) {
    largest = Math.max(largest, Math.abs(a[i]!));
    furthest = Math.max(furthest, Math.abs(a[i]! - b[i]!));
  }
  return furthest && furthest / largest;
}

const ALL: Masked = { positions: 'last', kinds: ['qk', 'ov', 'mlp_in', 'mlp_out'] };

describe.each<Masked>([ALL, { ...ALL, positions: 'all' }, { ...ALL, kinds: ['ov', 'mlp_in', 'mlp_out'] }])(
  `masks of $kinds on $positions positions [${engine.name}]`,
  (masked) => {
    let alone: MaskRunner;
    let shared: MaskRunner;
    let masks: Float32Array;

    beforeAll(async () => {
      alone = runnerInThisThread(await MaskedModel.load(engine, model, decomposition, masked), passes);
      shared = await overProcesses(masked);
      const random = new Random(7);
      masks = Float32Array.from({ length: alone.layout.size }, () => random.uniform());
    });
    afterAll(() => Promise.all([alone.close(), shared.close()]));

    const run = async (runner: MaskRunner, replacement: Replacement) => {
      const prepared = await runner.prepare(pairs, { replacement, seed: 1 });
      const batch = pairs.map((_, index) => index).filter((index) => index % 4 !== 1);
      const objective = await prepared.objective(batch.reverse(), masks, 'logit_diff');
      return { objective, kl: await prepared.kl(masks), scores: await prepared.score(masks) };
    };

    it('knows the same singular values', () => {
      expect(shared.sigma).toEqual(alone.sigma);
      expect(shared.workers).toBe(2);
    });

    for (const replacement of REPLACEMENTS)
      it(`finds what one process finds, to the last bit twice, replaced by ${replacement}`, async () => {
        const [one, two] = [await run(alone, replacement), await run(shared, replacement)];
        expect(Math.abs(two.objective.kl / one.objective.kl - 1)).toBeLessThan(1e-5);
        expect(Math.abs(two.kl / one.kl - 1)).toBeLessThan(1e-5);
        expect(Math.abs(two.objective.loss / one.objective.loss - 1)).toBeLessThan(1e-5);
        expect(difference(one.objective.gradient, two.objective.gradient)).toBeLessThan(1e-5);
        for (const name of SCORES)
          expect(difference(one.scores[name], two.scores[name]), name).toBeLessThan(1e-5);
        expect(await run(shared, replacement)).toEqual(two);
      });

    it('finds the same conductance', async () => {
      const [one, two] = await Promise.all(
        [alone, shared].map(async (runner) => {
          const prepared = await runner.prepare(pairs, { replacement: 'resample', seed: 1 });
          return prepared.conductance('kl', 2);
        }),
      );
      expect(difference(one!, two!)).toBeLessThan(1e-5);
    });
  },
);

it('says which device it was whose process ran out of memory', async () => {
  const starved = { name: 'device c', env: { NODE_OPTIONS: '--max-old-space-size=6' } };
  const opening = overProcesses(ALL, { at: [places[0]!, starved] });
  await expect(opening).rejects.toThrow(InputError);
  await expect(opening).rejects.toThrow(
    /^device c: its process ended with SIGABRT: .*heap out of memory.*lower limit of memory$/,
  );
});

it('is interrupted while it loads', async () => {
  const stop = new AbortController();
  const opening = overProcesses(ALL, { signal: stop.signal });
  setTimeout(() => stop.abort(), 50);
  await expect(opening).rejects.toThrow(InterruptedError);
});
