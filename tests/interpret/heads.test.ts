/** Figures behind heads' names: against direct computation, and on heads that are built to have a name. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { copyingOf } from '../../src/interpret/copying.js';
import {
  type GenericSequences,
  genericSequences,
  keyOf,
  lookingTokens,
  PATTERNS,
} from '../../src/interpret/generic-sequences.js';
import { headAttention } from '../../src/interpret/head-attention.js';
import { Random } from '../../src/random.js';
import { decomposed } from '../support/decomposed.js';
import { describeOnEngines } from '../support/engines.js';
import { ALL_FAMILIES } from '../support/family-model.js';
import { openPlanted } from '../support/planted.js';
import { capped, referenceForward, referenceScores } from '../support/reference-forward.js';
import { takeApart } from '../support/taken-apart.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const folder = temporaryFolder();

describe('generic sequences', () => {
  it('repeat different tokens once, and no two patterns look at the same key', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 4, max: 12 }),
        fc.integer({ min: 0, max: 2 }),
        fc.integer(),
        (length, leading, seed) => {
          const lead = [7, 9].slice(0, leading);
          const request = { nVocab: 20, lead, nPositions: 2 * length + leading, count: 3, length };
          const generic = genericSequences(request, new Random(seed));
          for (const ids of generic.sequences) {
            expect(Array.from(ids.slice(0, leading))).toEqual(lead);
            const round = ids.slice(leading, leading + length);
            expect(new Set([...round, ...lead]).size).toBe(length + leading);
            expect(ids.slice(leading + length)).toEqual(round);
            for (const query of lookingTokens(generic)) {
              const [previous, duplicate, next, first] = PATTERNS.map((pattern) =>
                keyOf(pattern, query, generic),
              );
              expect([previous, first]).toEqual([query - 1, 0]);
              expect(ids[duplicate!]).toBe(ids[query]);
              expect(ids[next!]).toBe(ids[query + 1]);
              expect(new Set([previous, duplicate, next, first, query]).size).toBe(5);
            }
          }
        },
      ),
    );
  });

  it('must fit the model', () => {
    const request = { nVocab: 20, lead: [1], nPositions: 16, count: 3, length: 8 };
    expect(() => genericSequences(request, new Random(0))).toThrow('give at most 7');
  });
});

const softmax = (scores: number[]) => {
  const exponentials = scores.map(Math.exp);
  const total = exponentials.reduce((sum, value) => sum + value, 0);
  return exponentials.map((value) => value / total);
};

describeOnEngines('figures behind names', (engine) => {
  for (const family of ALL_FAMILIES)
    it(`are shares of the attention, in ${family}`, async () => {
      const { apart, reference, prompt } = await takeApart(engine(), folder, family);
      const { architecture } = apart.model;
      const round = [prompt(4), prompt(4)];
      const generic: GenericSequences = {
        sequences: round.map((ids) => Int32Array.from([...ids, ...ids])),
        lead: 0,
        length: 4,
      };
      const qk = apart.running.layout.components.filter(({ kind }) => kind === 'qk');
      const asked = qk.map((component) => ({ component, index: 1 }));
      const { heads, directions } = await headAttention(apart, generic, asked);
      const queries = lookingTokens(generic);
      expect(queries).toEqual([5, 6]);
      qk.forEach(({ layer, head, rank }, at) => {
        const shares = (mask: (k: number) => number, freeze = false) => {
          const found = { previous: 0, duplicate: 0, induction: 0, first: 0 };
          for (const ids of generic.sequences) {
            const x = referenceForward(reference, ids).inputs[layer]!;
            const rows = (own: (k: number) => number) =>
              referenceScores(
                reference,
                layer,
                head!,
                x,
                Float32Array.from({ length: rank }, (_, k) => own(k)),
              ).map((row) => row.map((score) => architecture.attentionScale[layer]! * score));
            const [own, whole] = [rows(mask), rows(() => 1)];
            for (const query of queries) {
              const scores = own[query]!.slice(0, query + 1).map((score, key) => {
                const full = whole[query]![key]!;
                return freeze
                  ? (score * capped(full, architecture.scoreCap)) / full
                  : capped(score, architecture.scoreCap);
              });
              const pattern = softmax(scores);
              for (const name of PATTERNS) found[name] += pattern[keyOf(name, query, generic)]! / 4;
            }
          }
          return found;
        };
        const named = heads.find((each) => each.layer === layer && each.head === head)!;
        const close = (values: object) =>
          Object.fromEntries(Object.entries(values).map(([name, value]) => [name, expect.closeTo(value, 4)]));
        expect(named.shares).toEqual(close(shares(() => 1)));
        expect(directions[at]!.alone).toEqual(close(shares((k) => Number(k === 1), true)));
        expect(directions[at]!.without).toEqual(close(shares((k) => Number(k !== 1))));
        const [{ offset, share }] = named.offsets as [{ offset: number; share: number }];
        expect([share >= named.shares.previous - 1e-9, offset < 8]).toEqual([true, true]);
      });
      apart.running.dispose();
    });

  it('name the heads of a planted induction circuit as they were planted', async () => {
    const planted = await openPlanted(engine(), { mechanism: 'induction' });
    const { model, masked } = planted;
    const { decomposition } = await decomposed(model);
    const apart = { model, decomposition, running: masked, ends: await model.ends() };
    // Words 1 to 8 are the mechanism's; 0 begins its prompts.
    const random = new Random(5);
    const generic: GenericSequences = {
      sequences: Array.from({ length: 8 }, () => {
        const round = random.sample([1, 2, 3, 4, 5, 6, 7, 8], 4);
        return Int32Array.from([...round, ...round]);
      }),
      lead: 0,
      length: 4,
    };
    const { heads } = await headAttention(apart, generic, []);
    const best = (of: 'previous' | 'induction' | 'duplicate') =>
      heads.reduce((a, b) => (b.shares[of] > a.shares[of] ? b : a));
    // By its blueprint: the first layer's head looks back by one, the second's for what stood there.
    expect(best('previous')).toMatchObject({ layer: 0, head: 0 });
    expect(best('previous').shares.previous).toBeGreaterThan(0.9);
    expect(best('induction')).toMatchObject({ layer: 1, head: 0 });
    expect(best('induction').shares.induction).toBeGreaterThan(0.9);
    expect(best('duplicate').shares.duplicate).toBeLessThan(0.4);
    masked.dispose();
  });

  it('know heads that copy from those that do the opposite', async () => {
    const { apart } = await takeApart(engine(), folder, 'gpt2');
    const { model, ends } = apart;
    const { dModel: d, dHead, nVocab } = model.architecture;
    const one = await model.layer(0);
    // Tokens are coordinates; W_V takes dHead of them, and W_O gives them back, with one sign or the other.
    const embed = new Float32Array(nVocab * d);
    for (let token = 0; token < nVocab; token++) embed[token * d + (token % d)] = 1;
    const unembed = { ...ends.unembed, weight: new Float32Array(d * nVocab) };
    for (let token = 0; token < nVocab; token++) unembed.weight[(token % d) * nVocab + token] = 1;
    const identity = (sign: (head: number) => number) => {
      const v = { ...one.v, weight: new Float32Array(one.v.weight.length), bias: one.v.bias?.map(() => 0) };
      const o = { ...one.o, weight: new Float32Array(one.o.weight.length) };
      for (let head = 0; head * dHead < v.cols; head++)
        for (let c = 0; c < dHead; c++) {
          v.weight[c * v.cols + head * dHead + c] = 1;
          o.weight[(head * dHead + c) * d + c] = sign(head);
        }
      return { ...one, v, o };
    };
    const built = {
      architecture: model.architecture,
      layer: async () => identity((head) => (head === 0 ? 1 : -1)),
    };
    const { heads } = await copyingOf(
      { ...apart, model: built as unknown as typeof model, ends: { ...ends, embed, unembed } },
      Array.from({ length: dHead }, (_, token) => token),
      embed,
      [],
    );
    expect(heads[0]).toEqual({ copying: 1, anti: 0 });
    expect(heads[1]).toEqual({ copying: 0, anti: 1 });
    apart.running.dispose();
  });

  it('correlate what a direction reads with what it writes', async () => {
    const { apart } = await takeApart(engine(), folder, 'gpt2');
    const { architecture } = apart.model;
    const ov = apart.running.layout.components.filter(({ kind }) => kind === 'ov');
    const asked = ov.flatMap((component) => [0, 1].map((index) => ({ component, index })));
    const tokens = [0, 3, 5, 6, 8, 11];
    const { directions } = await copyingOf(apart, tokens, apart.ends.embed, asked);
    const { dModel: d } = architecture;
    for (const [at, { component, index }] of asked.entries()) {
      const { u, vt } = (await apart.decomposition.layer(component.layer)).get(component.name)!;
      const reads = tokens.map((id) => {
        const row = Array.from(apart.ends.embed.subarray(id * d, (id + 1) * d));
        const mean = row.reduce((sum, value) => sum + value, 0) / d;
        const variance = row.reduce((sum, value) => sum + (value - mean) ** 2, 0) / d;
        return row.reduce(
          (sum, value, i) =>
            sum +
            ((value - mean) / Math.sqrt(variance + architecture.normEpsilon)) *
              u[(component.rows - d + i) * component.rank + index]!,
          0,
        );
      });
      // The logit above the mean of all.
      const { weight, cols } = apart.ends.unembed;
      const v = Array.from(vt.subarray(index * d, (index + 1) * d));
      const average = v.reduce((sum, value) => sum + value, 0) / d;
      const logits = Array.from({ length: cols }, (_, id) =>
        v.reduce((sum, value, i) => sum + (value - average) * weight[i * cols + id]!, 0),
      );
      const writes = tokens.map((id) => logits[id]! - logits.reduce((sum, value) => sum + value, 0) / cols);
      const centre = (values: number[]) =>
        values.map((value) => value - values.reduce((a, b) => a + b) / values.length);
      const [x, y] = [centre(reads), centre(writes)];
      const product = (p: number[], q: number[]) => p.reduce((sum, value, i) => sum + value * q[i]!, 0);
      expect(directions[at]).toBeCloseTo(product(x, y) / Math.sqrt(product(x, x) * product(y, y)), 4);
    }
    apart.running.dispose();
  });
});
