/** Edges against their definition in plain float64 loops, and what reaches a reader against what it has, in every family. */
import { expect, it } from 'vitest';
import { logitPlace, reachedAt, webOf } from '../../src/edges/edges.js';
import { liveRun, type ReadingPlace } from '../../src/edges/live-run.js';
import type { Side } from '../../src/edges/readers.js';
import type { Direction } from '../../src/interpret/coefficients.js';
import { kvHeadOf } from '../../src/models/architecture.js';
import { planesOf } from '../../src/models/qk-split.js';
import { describeOnEngines } from '../support/engines.js';
import { ALL_FAMILIES } from '../support/family-model.js';
import {
  outputRate,
  type ReferenceModel,
  type ReferenceRun,
  referenceForward,
  rotated,
} from '../support/reference-forward.js';
import { takeApart } from '../support/taken-apart.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const folder = temporaryFolder();
const contrast = { answers: [3, 5], distractors: [1] };
type Rows = number[][];

const product = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Array.from(a).reduce((sum, value, i) => sum + value * b[i]!, 0);

/** The stream that a place reads. */
function streamOf(
  { architecture }: ReferenceModel,
  { places }: ReferenceRun,
  { layer, at }: ReadingPlace,
): Rows {
  if (at === 'logits') return places.at(-1)!.get('streamAfter') as Rows;
  const name = at === 'attention' || architecture.parallelResidual ? 'streamBefore' : 'streamBetween';
  return places[layer]!.get(name) as Rows;
}

/**
 * What a reader makes of a stream that is written, with all else as it is: norms at their rates, patterns, the other
 * side of scores. By the definition, for each token at which it reads; biases are left out.
 */
function figure(
  reference: ReferenceModel,
  run: ReferenceRun,
  { side, direction }: { side: Side; direction: Direction | null },
  place: ReadingPlace,
  written: Rows,
): number[] {
  const { architecture: a } = reference;
  const stream = streamOf(reference, run, place);
  const centre = (row: readonly number[]) => {
    const mean = a.norm === 'layer' ? row.reduce((sum, value) => sum + value, 0) / row.length : 0;
    return row.map((value) => value - mean);
  };
  const x = written.map((row, j) => {
    const full = centre(stream[j]!);
    const rate = 1 / Math.sqrt(product(full, full) / full.length + a.normEpsilon);
    return centre(row).map((value) => rate * value);
  });
  if (side === 'logits') {
    const { unembed } = reference.ends;
    const last = centre(stream.at(-1)!);
    const rate = 1 / Math.sqrt(product(last, last) / last.length + a.normEpsilon);
    const logit = (token: number) => {
      const column = last.map((_, i) => unembed.weight[i * a.nVocab + token]!);
      const raw = rate * product(last, column) + (unembed.bias?.[token] ?? 0);
      const share = a.logitCap === undefined ? 1 : (a.logitCap * Math.tanh(raw / a.logitCap)) / raw;
      return share * product(x.at(-1)!, column);
    };
    const mean = (tokens: number[]) => tokens.reduce((sum, token) => sum + logit(token), 0) / tokens.length;
    return [mean(contrast.answers) - mean(contrast.distractors)];
  }
  const { component, index } = direction!;
  const { layer, head = 0, rank, rows, name } = component;
  const entry = reference.directions.get(name);
  const u = entry && Array.from({ length: rows }, (_, r) => entry.u[r * rank + index]!);
  const uStream = u?.slice(rows - a.dModel);
  if (side === 'input') return x.map((row) => entry!.s[index]! * product(row, uStream!));
  const pattern = (run.places[layer]!.get('pattern') as number[][][])[head]!;
  if (side === 'value')
    return x.map((_, i) =>
      pattern[i]!.reduce((sum, p, j) => sum + p * entry!.s[index]! * product(x[j]!, uStream!), 0),
    );
  // QK: query and key in the head's space, each with or without what is not written.
  const weights = reference.layers[layer]!;
  const kvHead = kvHeadOf(head, a);
  const full = run.places[layer]!.get('attentionInput') as Rows;
  const headOf = (row: readonly number[], which: 'q' | 'k', h: number, biased: boolean) => {
    const { weight, bias, cols } = weights[which];
    return Array.from({ length: a.dHead }, (_, c) => {
      const column = row.map((_, i) => weight[i * cols + h * a.dHead + c]!);
      return product(row, column) + (biased && bias ? bias[h * a.dHead + c]! : 0);
    });
  };
  const rotary = a.rotary?.[layer];
  const turn = (row: number[], position: number) => (rotary ? rotated(row, position, rotary) : row);
  /** What the direction has of a query. */
  const queryOf = (row: readonly number[], biased: boolean, i: number) => {
    let query: number[];
    if (!u) {
      const plane = planesOf(a.dHead, rotary!.dims)[index]!;
      query = headOf(row, 'q', head, biased).map((value, c) => (plane.includes(c) ? value : 0));
    } else {
      const y = product(row, uStream!) + (biased && rows > a.dModel ? u[0]! : 0);
      const back = headOf(uStream!, 'q', head, false);
      const { bias } = weights.q;
      query = back.map((value, c) => y * (value + (bias ? u[0]! * bias[head * a.dHead + c]! : 0)));
    }
    const rate = outputRate(headOf(full[i]!, 'q', head, true), weights.norms?.query, a.queryKeyNorm);
    return turn(
      query.map((value) => rate * value),
      i,
    );
  };
  const keyOf = (row: readonly number[], biased: boolean, j: number) => {
    const rate = outputRate(headOf(full[j]!, 'k', kvHead, true), weights.norms?.key, a.queryKeyNorm);
    return turn(
      headOf(row, 'k', kvHead, biased).map((value) => rate * value),
      j,
    );
  };
  const scores = (run.places[layer]!.get('scores') as number[][][])[head]!;
  return x.map((_, i) =>
    pattern[i]!.reduce((sum, p, j) => {
      const q = side === 'query' ? queryOf(x[i]!, false, i) : queryOf(full[i]!, true, i);
      const k = side === 'key' ? keyOf(x[j]!, false, j) : keyOf(full[j]!, true, j);
      const capped = scores[i]![j]!;
      const raw = a.scoreCap === undefined ? capped : a.scoreCap * Math.atanh(capped / a.scoreCap);
      const share = raw === 0 ? 1 : capped / raw;
      return sum + (p - 1 / pattern[i]!.length) * share * a.attentionScale[layer]! * product(q, k);
    }, 0),
  );
}

describeOnEngines('edges', (engine) => {
  const cases = [
    ...ALL_FAMILIES.map((family) => ({ family, form: 'reference' as const, by: 'rotary' as const })),
    { family: 'gpt2' as const, form: 'folded' as const, by: 'rotary' as const },
    { family: 'gpt_neox' as const, form: 'folded' as const, by: 'rotary' as const },
    { family: 'qwen3' as const, form: 'reference' as const, by: 'plane' as const },
  ];
  for (const { family, form, by } of cases)
    it(`are what the definition says, and add up to what readers have, in ${family}, ${form}, ${by}`, async () => {
      const { apart, reference, prompt } = await takeApart(engine(), folder, family, {
        form,
        split: { by, offsets: 64 },
      });
      const every = apart.running.layout.components.flatMap((component) =>
        Array.from({ length: component.rank }, (_, index): Direction => ({ component, index })),
      );
      const web = await webOf(apart, every);
      const asked = [5, 3].map((length) => ({ clean: prompt(length), ...contrast }));
      const run = await liveRun(apart, asked);
      let checked = 0;
      for (const [p, { clean }] of asked.entries()) {
        const runOf = referenceForward(reference, clean);
        const tokens = Array.from(clean, (_, token) => token);
        /** What each writer writes, by token. */
        const written = web.writers.map(({ direction, vector }) => {
          const { component, index } = direction;
          const { layer, kind } = component;
          const { norms } = reference.layers[layer]!;
          const all = runOf.places[layer]!.get(kind === 'ov' ? 'attentionWritten' : 'mlpWritten') as Rows;
          return all.map((row, token) => {
            const y = runOf.coefficients.get(component.name)![token]![index]!;
            const rate = outputRate(
              row,
              kind === 'ov' ? norms?.attention : norms?.mlp,
              reference.architecture.normEpsilon,
            );
            return Array.from(
              vector,
              (v) => rate * reference.directions.get(component.name)!.s[index]! * y * v,
            );
          });
        });
        const mean = (values: number[], layer: number) => {
          // The last layer is computed at the last token alone.
          const own = layer >= reference.architecture.nLayers - 1 ? values.slice(-1) : values;
          return own.reduce((sum, value) => sum + value, 0) / own.length;
        };
        for (const place of [...web.places, logitPlace(web, run, p)]) {
          const { layer } = place.place;
          for (const { reader, values, whole } of reachedAt(web, place, run, p, tokens)) {
            const name = `${reader.name} ${reader.side}`;
            const n = place.writers.length;
            expect(Math.abs(values[n + 3]!), `${name}: the sum`).toBeLessThan(1e-4);
            const stream = streamOf(reference, runOf, place.place);
            const bias = values[n + 2]!;
            expect(
              Math.abs(mean(figure(reference, runOf, reader, place.place, stream), layer) + bias - whole),
              `${name}: the whole`,
            ).toBeLessThan(1e-4);
            place.writers.forEach((w, at) => {
              // A third of them is enough.
              if ((w + checked++) % 3 !== 0) return;
              const found = mean(figure(reference, runOf, reader, place.place, written[w]!), layer);
              expect(Math.abs(values[at]! - found), `${web.writers[w]!.name} → ${name}`).toBeLessThan(1e-4);
            });
          }
        }
      }
      expect(checked).toBeGreaterThan(1000);
      apart.running.dispose();
    });
});
