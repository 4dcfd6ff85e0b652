/** Cutting one edge in place: against the reader's figure without the writer in float64, put in by other means. */
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { measureCuts } from '../../src/edges/cuts.js';
import { logitPlace, reachedAt, webOf } from '../../src/edges/edges.js';
import { liveRun } from '../../src/edges/live-run.js';
import { intervene } from '../../src/forward/interventions.js';
import type { BlockHooks, Hooks } from '../../src/forward/places.js';
import type { Direction } from '../../src/interpret/coefficients.js';
import { logitDifference } from '../../src/interpret/logit-reader.js';
import { logitsAfter } from '../../src/interpret/outcomes.js';
import type { Architecture } from '../../src/models/architecture.js';
import { describeOnEngines } from '../support/engines.js';
import { ALL_FAMILIES } from '../support/family-model.js';
import { outputRate, referenceForward } from '../support/reference-forward.js';
import { takeApart } from '../support/taken-apart.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const folder = temporaryFolder();
const contrast = { answers: [3, 5], distractors: [1] };

function normalised(row: readonly number[], { norm, normEpsilon }: Architecture): number[] {
  const mean = norm === 'layer' ? row.reduce((sum, value) => sum + value, 0) / row.length : 0;
  const square = row.reduce((sum, value) => sum + (value - mean) ** 2, 0) / row.length;
  return row.map((value) => (value - mean) / Math.sqrt(square + normEpsilon));
}

describeOnEngines('cutting edges', (engine) => {
  for (const family of ALL_FAMILIES)
    it(`takes from a reader what one writer wrote, in ${family}`, async () => {
      const { apart, reference, prompt } = await takeApart(engine(), folder, family);
      const { running, model } = apart;
      const { architecture } = model;
      const every = running.layout.components.flatMap((component) =>
        Array.from({ length: Math.min(component.rank, 3) }, (_, index): Direction => ({ component, index })),
      );
      const web = await webOf(apart, every);
      const clean = prompt(5);
      const asked = [
        { clean, ...contrast },
        { clean: prompt(4), ...contrast },
      ];
      const tokens = [
        [1, 3, 4],
        [2, 3],
      ];
      const run = await liveRun(apart, asked);
      const places = [...web.places, logitPlace(web, run, 0)];
      // The first writer of each place to its first reader on each side.
      const cuts = places.flatMap(({ place, readers, writers }) =>
        ['query', 'key', 'value', 'input', 'logits'].flatMap((side) => {
          const reader = readers.find((each) => each.side === side);
          const writer = web.writers[writers.at(-1)!]?.name ?? 'embedding';
          return reader ? [{ writer, reader, place }] : [];
        }),
      );
      expect(cuts.length).toBeGreaterThan(7);
      const measured = await measureCuts(web, asked, tokens, cuts);

      const { places: found, coefficients } = referenceForward(reference, clean);
      const difference = async (options: Parameters<typeof logitsAfter>[2]) =>
        logitDifference(await logitsAfter(running, [clean], options), contrast);
      for (const [at, { writer, reader, place }] of cuts.entries()) {
        const { layer } = place;
        const own = web.writers.find(({ name }) => name === writer);
        const stream = (
          place.at === 'logits'
            ? found.at(-1)!.get('streamAfter')
            : found[layer]!.get(
                place.at === 'attention' || architecture.parallelResidual ? 'streamBefore' : 'streamBetween',
              )
        ) as number[][];
        const without = stream.map((row, token) => {
          if (!own)
            return row.map((value, i) => value - reference.ends.embed[clean[token]! * row.length + i]!);
          const { component, index } = own.direction;
          const { norms } = reference.layers[component.layer]!;
          const isHead = component.kind === 'ov';
          const written = found[component.layer]!.get(
            isHead ? 'attentionWritten' : 'mlpWritten',
          ) as number[][];
          const rate = outputRate(
            written[token]!,
            isHead ? norms?.attention : norms?.mlp,
            architecture.normEpsilon,
          );
          const c =
            rate *
            reference.directions.get(component.name)!.s[index]! *
            coefficients.get(component.name)![token]![index]!;
          return row.map((value, i) => value - c * own.vector[i]!);
        });
        const label = `${writer} → ${reader.name} ${reader.side}`;
        if (reader.side === 'logits') {
          const state = Float32Array.from(normalised(without.at(-1)!, architecture));
          const after = await difference({
            hooks: { final: { replace: () => tf.tensor2d(state, [1, state.length]) } },
          });
          expect(Math.abs((await difference({})) - after - measured[at]![0]!), label).toBeLessThan(2e-4);
          continue;
        }
        const { component, index } = reader.direction!;
        const { name, rank, rows, kind, head = 0 } = component;
        const x = stream.map((row) => normalised(row, architecture));
        const y = without.map((row) => normalised(row, architecture));
        if (kind === 'qk') {
          // The score of the direction with the one side changed and the other not.
          const axes = places.find((each) => each.readers.includes(reader))!.axes;
          const readings = (rows: number[][], token: number, axis: number) =>
            rows[token]!.reduce((sum, value, i) => sum + value * axes[axis]![i]!, 0);
          const blocks: BlockHooks[] = [];
          blocks[layer] = {
            scores: {
              replace(value) {
                const scores = value.dataSync() as Float32Array;
                const [, , queries, keys] = value.shape as number[];
                for (const token of tokens[0]!) {
                  if (!run.has(layer, 0, token)) continue;
                  for (const term of reader.terms(run, 0, token)) {
                    const by = reader.axes.reduce(
                      (sum, axis, s) =>
                        sum +
                        term.weights[s]! * (readings(y, term.token, axis) - readings(x, term.token, axis)),
                      0,
                    );
                    const cell = (head * queries! + queries! - clean.length + token) * keys! + term.key;
                    const cap = architecture.scoreCap;
                    scores[cell] =
                      cap === undefined
                        ? scores[cell]! + by
                        : cap * Math.tanh(Math.atanh(scores[cell]! / cap) + by / cap);
                  }
                }
                return tf.tensor(scores, value.shape);
              },
            },
          };
          const hooks: Hooks = { blocks };
          const after = await difference({ hooks });
          expect(Math.abs((await difference({})) - after - measured[at]![0]!), label).toBeLessThan(2e-4);
          continue;
        }
        const { u } = reference.directions.get(name)!;
        const read = (row: number[]) =>
          row.reduce((sum, value, i) => sum + value * u[(rows - row.length + i) * rank + index]!, 0);
        const pattern = (found[layer]!.get('pattern') as number[][][])[head]!;
        const add = (_prompt: number, token: number) =>
          kind === 'ov'
            ? pattern[token]!.reduce((sum, share, j) => sum + share * (read(y[j]!) - read(x[j]!)), 0)
            : read(y[token]!) - read(x[token]!);
        const change = [{ component: name, directions: [index], tokens: [tokens[0]!], change: { add } }];
        const after = await difference(intervene(running, [clean], change));
        expect(Math.abs((await difference({})) - after - measured[at]![0]!), label).toBeLessThan(2e-4);
      }
      running.dispose();
    });

  for (const family of ['gpt2', 'gemma2', 'gpt_neox'] as const)
    it(`is foreseen by slopes that differences confirm, in ${family}`, async () => {
      const { apart, prompt } = await takeApart(engine(), folder, family);
      const { running } = apart;
      const every = running.layout.components.map((component): Direction => ({ component, index: 0 }));
      const web = await webOf(apart, every);
      const clean = prompt(5);
      const run = await liveRun(apart, [{ clean, ...contrast }]);
      const step = 0.02;
      for (const place of web.places)
        for (const { reader, predicted } of reachedAt(web, place, run, 0, [3, 4])) {
          const { component, index } = reader.direction!;
          const whole = predicted.reduce((sum, value) => sum + value, 0);
          const { layer, name } = component;
          // All that reaches it, a little more and a little less of it.
          const difference = async (scale: number) => {
            const own = [3, 4].filter((token) => run.has(layer, 0, token));
            const change = [{ component: name, directions: [index], tokens: [own], change: { scale } }];
            return logitDifference(
              await logitsAfter(running, [clean], intervene(running, [clean], change)),
              contrast,
            );
          };
          const slope = ((await difference(1 + step)) - (await difference(1 - step))) / (2 * step);
          expect(Math.abs(whole - slope), `${reader.name} ${reader.side}`).toBeLessThan(
            2e-3 + 0.02 * Math.abs(slope),
          );
        }
      running.dispose();
    });
});
