/** Directions projected out of the stream: nothing along them is left, and the direct way is what that does to the logits. */
import { expect, it } from 'vitest';
import type { TokenPair } from '../../src/formats/token-pairs.js';
import type { Direction } from '../../src/interpret/coefficients.js';
import { runExperiment } from '../../src/interpret/experiment.js';
import { normFactor } from '../../src/interpret/logit-reader.js';
import { lastRow, lastStream } from '../../src/interpret/logit-sum.js';
import { placeValues } from '../../src/interpret/place-values.js';
import { basisOf, projectOut } from '../../src/interpret/project-out.js';
import { writes } from '../../src/interpret/taken-apart.js';
import { writtenVectors } from '../../src/interpret/written-vectors.js';
import { describeOnEngines } from '../support/engines.js';
import { takeApart } from '../support/taken-apart.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const folder = temporaryFolder();
const LENGTHS = [4, 6];

const dot = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Array.from(a).reduce((sum, value, i) => sum + value * b[i]!, 0);

describeOnEngines('a direction projected out', (engine) => {
  // One norm of each sort, one model whose attention and MLP stand side by side, one that normalises what is written.
  for (const family of ['gpt2', 'llama', 'gpt_neox', 'gemma3_text'] as const)
    it(`leaves nothing along it, in ${family}`, async () => {
      const loaded = await takeApart(engine(), folder, family);
      const { apart, prompt } = loaded;
      const { architecture } = apart.model;
      const { dModel: d, nLayers, nVocab } = architecture;
      const pairs = LENGTHS.map(
        (length, i): TokenPair => ({
          id: String(i),
          clean: prompt(length),
          corrupted: null,
          answers: Int32Array.of(3),
          distractors: Int32Array.of(4),
        }),
      );
      const chosen = apart.running.layout.components
        .filter(({ kind, layer }) => writes(kind) && layer === 0)
        .map((component): Direction => ({ component, index: 1 }));
      const tokens = pairs.map(({ clean }) => [1, clean.length - 1]);
      const prompts = pairs.map(({ clean }) => clean);

      const [vectors] = await writtenVectors(
        apart.decomposition,
        [{ directions: chosen, mixtures: null }],
        d,
      );
      const basis = basisOf(chosen, vectors as Float64Array[]);
      const last = { layer: nLayers - 1, place: 'streamAfter' } as const;
      const hooks = projectOut(basis, nLayers, prompts, tokens, 1);
      const left = await placeValues(apart.running, prompts, [last], { hooks });
      const whole = await placeValues(apart.running, prompts, [lastStream(architecture)]);
      const size = Math.hypot(...lastRow(whole, 0, lastStream(architecture)));
      prompts.forEach((_, p) => {
        for (const vector of vectors!)
          expect(Math.abs(dot(lastRow(left, p, last), vector!))).toBeLessThan(1e-5 * size);
      });

      const { before, after } = await runExperiment(apart, {
        ...{ pairs, tokens, chosen, estimation: [], excluded: new Set<string>(), draws: 1, seed: 0 },
        choose: () => [],
        change: { kind: 'project', value: 0 },
        scales: [0, 1],
        unrelated: [],
      });
      const { unembed } = apart.ends;
      const centre = (row: ArrayLike<number>) => {
        const mean = architecture.norm === 'layer' ? dot(row, new Array(d).fill(1)) / d : 0;
        return Float64Array.from(row, (value) => value - mean);
      };
      const seen = basisOf(chosen, (vectors as Float64Array[]).map(centre));
      pairs.forEach((_, p) => {
        const row = lastRow(whole, p, lastStream(architecture));
        const rate = normFactor(row, architecture);
        const state = centre(row).map((value) => rate * value);
        for (const vector of seen.vectors) {
          const along = dot(state, vector);
          for (let i = 0; i < d; i++) state[i]! -= along * vector[i]!;
        }
        const logit = (token: number) => {
          const column = Array.from(state, (_, i) => unembed.weight[i * nVocab + token]!);
          const raw = dot(state, column) + (unembed.bias?.[token] ?? 0);
          const cap = architecture.logitCap;
          return cap === undefined ? raw : cap * Math.tanh(raw / cap);
        };
        for (const { set, way, scale, outcome } of after) {
          if (scale === 0) expect(outcome.logitDifference[p]!).toBeCloseTo(before.logitDifference[p]!, 4);
          else if (set === 'chosen' && way === 'direct')
            expect(outcome.logitDifference[p]!).toBeCloseTo(logit(3) - logit(4), 3);
        }
      });
      expect(after.map(({ set, way }) => `${set} ${way}`)).toContain('random in place');
      apart.running.dispose();
    });
});
