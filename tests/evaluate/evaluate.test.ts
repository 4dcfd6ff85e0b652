import { join } from 'node:path';
import { expect, it } from 'vitest';
import { CONTROLS } from '../../src/evaluate/controls.js';
import { evaluateMasks, maskVectors, scorerOf } from '../../src/evaluate/evaluate.js';
import { MASKED_MEASURES } from '../../src/evaluate/metrics.js';
import { scorePrompts } from '../../src/evaluate/prompt-scores.js';
import { oneOfEachPart } from '../../src/evaluate/some-pairs.js';
import type { TokenPair } from '../../src/formats/token-pairs.js';
import { MaskedModel } from '../../src/forward/masked-model.js';
import { PreparedPairs } from '../../src/pairs/prepared-pairs.js';
import { Random } from '../../src/random.js';
import { EVALUATE_DEFAULTS } from '../../src/settings/run-settings.js';
import { decomposed } from '../support/decomposed.js';
import { describeOnEngines } from '../support/engines.js';
import { openForTest } from '../support/open-model.js';
import { writeRandomGpt2 } from '../support/random-gpt2.js';
import { referenceForward } from '../support/reference-forward.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const folder = temporaryFolder();

describeOnEngines('evaluateMasks', (engine) => {
  const settings = { ...EVALUATE_DEFAULTS, resamples: 50, seed: 0 };

  /** @param labelled with `likeliest`, the full model prefers the answer on the clean prompt, and not on the corrupted one */
  async function build(labelled: boolean | 'likeliest') {
    const path = join(folder, `${engine().name}-${labelled}`);
    await writeRandomGpt2(path, {});
    const model = await openForTest(path);
    const { decomposition, reference } = await decomposed(model);
    const masked = await MaskedModel.load(engine(), model, decomposition);
    const random = new Random(2);
    const prompt = () => Int32Array.from({ length: 4 }, () => random.integer(17));
    const pairs = Array.from(
      { length: 8 },
      (_, i): TokenPair => ({
        id: String(i),
        clean: prompt(),
        corrupted: prompt(),
        answers: labelled ? Int32Array.of(i, i + 1) : new Int32Array(0),
        distractors: labelled ? Int32Array.of(16) : new Int32Array(0),
      }),
    );
    if (labelled === 'likeliest')
      for (const pair of pairs) {
        const likeliest = (prompt: Int32Array) => {
          const { logProbabilities } = referenceForward(reference, prompt);
          return logProbabilities.indexOf(Math.max(...logProbabilities));
        };
        pair.answers = Int32Array.of(likeliest(pair.clean));
        pair.distractors = Int32Array.of(likeliest(pair.corrupted!));
      }
    const prepared = await PreparedPairs.prepare(masked, pairs, { replacement: 'interchange', seed: 0 });
    const masks = Float32Array.from({ length: masked.layout.size }, () => random.uniform());
    return { prepared, masks, reference, pairs };
  }

  it('scores the full model as the definitions say', async () => {
    const { prepared, masks, reference, pairs } = await build(true);
    const metrics = await evaluateMasks(scorerOf(prepared), masks, settings);
    let right = 0;
    let logits = 0;
    let probability = 0;
    for (const { clean, answers } of pairs) {
      const logP = referenceForward(reference, clean).logProbabilities;
      right += Number(answers.includes(logP.indexOf(Math.max(...logP))));
      logits += (logP[answers[0]!]! + logP[answers[1]!]!) / 2 - logP[16]!;
      probability += Math.exp(logP[answers[0]!]!) + Math.exp(logP[answers[1]!]!) - Math.exp(logP[16]!);
    }
    expect(metrics.n).toBe(8);
    expect(metrics.full_accuracy).toBeCloseTo(right / 8, 10);
    expect(metrics.full_logit_diff).toBeCloseTo(logits / 8, 4);
    expect(metrics.full_prob_diff).toBeCloseTo(probability / 8, 5);
  });

  it('counts what is kept, soft and binarised, and bounds the mean with its interval', async () => {
    const { prepared, masks } = await build(true);
    const metrics = await evaluateMasks(scorerOf(prepared), masks, { ...settings, threshold: 0.3 });
    const active = masks.filter((mask) => mask > 0.3).length;
    expect(metrics.active).toBe(active);
    expect(metrics.binarised.active).toBe(active);
    expect(metrics.binarised.l1).toBe(active);
    expect(metrics.l1).toBeCloseTo(
      masks.reduce((sum, mask) => sum + mask, 0),
      6,
    );
    expect(metrics.relative_sparsity).toBeCloseTo(1 - active / masks.length, 12);
    const byKind = Object.values(metrics.by_kind);
    expect(byKind.reduce((sum, kind) => sum + kind.active, 0)).toBe(active);
    for (const score of ['kl', 'exact_match'] as const) {
      const [low, high] = metrics.confidence[score]!;
      expect(low).toBeLessThanOrEqual(metrics[score]!);
      expect(high).toBeGreaterThanOrEqual(metrics[score]!);
    }
  });

  it('has controls of the size of the circuit, and the two ends', async () => {
    const { prepared, masks } = await build('likeliest');
    const { binarised, controls } = await evaluateMasks(scorerOf(prepared), masks, settings);
    for (const name of ['random', 'random_by_kind', 'top_sigma'] as const)
      expect(controls![name].active).toBe(binarised.active);
    expect(controls!.random.seeds).toBe(5);
    expect(controls!.random.sd!.kl).toBeGreaterThan(0);
    expect(controls!.all_on.kl).toBeLessThan(1e-6);
    expect(controls!.all_on.exact_match).toBe(1);
    expect(controls!.all_off.active).toBe(0);
    expect(controls!.all_off.faithfulness).toBe(0);
    expect(controls!.all_on.faithfulness).toBeCloseTo(1, 4);
    expect(controls!.top_sigma.sd).toBeUndefined();
  });

  it('normalises the logit difference by that of the full model and that of nothing, prompts together', async () => {
    const { prepared, masks } = await build('likeliest');
    const metrics = await evaluateMasks(scorerOf(prepared), masks, settings);
    const none = metrics.controls!.all_off.logit_diff!;
    const way = metrics.full_logit_diff! - none;
    expect(metrics.denominator!.mean).toBeCloseTo(way, 6);
    expect(metrics.binarised.faithfulness).toBeCloseTo((metrics.binarised.logit_diff! - none) / way, 6);
    expect(metrics.faithfulness).toBeCloseTo((metrics.logit_diff! - none) / way, 6);
    const [low, high] = metrics.binarised.confidence.faithfulness!;
    expect(low).toBeLessThanOrEqual(metrics.binarised.faithfulness!);
    expect(high).toBeGreaterThanOrEqual(metrics.binarised.faithfulness!);
  });

  it('scores as many mask vectors as it said, and masks that are 0 or 1 once', async () => {
    const { prepared, masks } = await build(true);
    const scorer = scorerOf(prepared);
    const hard = masks.map((mask) => Number(mask > 0.5));
    for (const [own, controlSeeds, beforeRounding] of [
      [masks, 5, undefined],
      [masks, 0, undefined],
      [hard, 2, masks],
    ] as const) {
      let scored = 0;
      let last = { done: 0, total: 0 };
      const counting = {
        ...scorer,
        scoreEach: (...call: Parameters<typeof scorer.scoreEach>) => {
          scored += call[0].length;
          return scorer.scoreEach(...call);
        },
      };
      await evaluateMasks(
        counting,
        own,
        { ...settings, controlSeeds, beforeRounding },
        {
          onProgress: (event) => {
            last = event;
          },
        },
      );
      const foreseen = maskVectors(controlSeeds, { isBinary: own === hard, wasRounded: own === hard });
      expect(scored).toBe(foreseen.all + foreseen.controls);
      expect(last).toMatchObject({ done: 8 * scored, total: 8 * scored });
    }
  });

  it('measures controls on some pairs as it would measure them on these pairs alone, and all else on all', async () => {
    const { prepared, masks, pairs } = await build('likeliest');
    const events: { done: number; total: number }[] = [];
    const [few, all] = [{ ...settings, controlPairs: 5 }, settings];
    const onSome = await evaluateMasks(scorerOf(prepared), masks, few, {
      onProgress: (event) => events.push(event),
    });
    const onAll = await evaluateMasks(scorerOf(prepared), masks, all);
    const { controls, ...own } = onSome;
    const { controls: controlsOnAll, ...ownOnAll } = onAll;
    expect(own).toEqual(ownOnAll);
    const chosen = oneOfEachPart(pairs.length, 5, new Random(settings.seed).fork('control pairs'));
    const alone = await evaluateMasks(scorerOf(prepared.some(chosen)), masks, settings);
    for (const { key: name } of CONTROLS) {
      const { n, sd, ...figures } = controls![name];
      const { sd: sdAlone, ...figuresAlone } = alone.controls![name];
      expect(n).toBe(5);
      expect(controlsOnAll![name].n).toBeUndefined();
      for (const key of MASKED_MEASURES) {
        expect(figures[key]).toBeCloseTo(figuresAlone[key]!, 5);
        if (sd) expect(sd[key]).toBeCloseTo(sdAlone![key]!, 5);
      }
    }
    expect(controls!.random.kl).not.toBeCloseTo(controlsOnAll!.random.kl!, 3);
    const { all: vectors, controls: others } = maskVectors(5, { isBinary: false, wasRounded: false });
    const total = 8 * vectors + 5 * others;
    expect(events.every((event, at) => at === 0 || event.done >= events[at - 1]!.done)).toBe(true);
    expect(events.at(-1)).toMatchObject({ done: total, total });
  });

  it('counts masked components only, and lets the others run whole under every control', async () => {
    const { prepared, masks } = await build('likeliest');
    const { layout } = prepared.model;
    const masked = layout.components.filter(({ name }) => name === 'L0H1.ov' || name === 'L1.mlp_in');
    const own = masks.slice().fill(1);
    const places: number[] = [];
    for (const component of masked) {
      const { start, length } = layout.of(component);
      own.set(masks.subarray(start, start + length), start);
      for (let i = start; i < start + length; i++) places.push(i);
    }
    const scored: Float32Array[] = [];
    const scorer = scorerOf(prepared);
    const recording = {
      ...scorer,
      masked,
      scoreEach: (...[all, call]: Parameters<typeof scorer.scoreEach>) => {
        scored.push(...all);
        return scorer.scoreEach(all, call);
      },
    };
    const { binarised, controls } = await evaluateMasks(recording, own, settings);
    const kept = places.filter((place) => own[place]! > 0.5).length;
    expect(binarised).toMatchObject({ directions: places.length, active: kept, l1: kept });
    expect(controls!.random.active).toBe(kept);
    expect(controls!.all_on.active).toBe(places.length);
    expect(controls!.all_off).toMatchObject({ active: 0, faithfulness: 0 });
    const isMasked = new Set(places);
    for (const mask of scored)
      expect(mask.every((value, place) => isMasked.has(place) || value === 1)).toBe(true);
  });

  it('measures the soft masks before rounding like any other masks, if they are given', async () => {
    const { prepared, masks } = await build(true);
    const soft = await evaluateMasks(scorerOf(prepared), masks, { ...settings, controlSeeds: 0 });
    expect(soft.before_rounding).toBeNull();
    const rounded = masks.map((mask) => Number(mask < 0.4));
    const metrics = await evaluateMasks(scorerOf(prepared), rounded, {
      ...settings,
      controlSeeds: 0,
      beforeRounding: masks,
    });
    const { before_rounding: _, controls: __, denominator: ___, attack: ____, ...measured } = soft;
    expect(metrics.before_rounding).toEqual(measured);
    expect(metrics.kl).not.toBe(soft.kl);
  });

  it('compares masks with masks as it does with the full model', async () => {
    const { prepared, masks } = await build(true);
    const others = masks.map((mask) => 1 - mask);
    const [own, theirs] = [await scorePrompts(prepared, masks), await scorePrompts(prepared, others)];
    const against = await scorePrompts(prepared, masks, {}, others);
    expect(against.logit_diff).toEqual(own.logit_diff);
    expect(against.full_logit_diff).toEqual(theirs.logit_diff);
    expect(Math.min(...against.kl)).toBeGreaterThan(0);
    const same = await scorePrompts(prepared, masks, {}, masks);
    expect(Math.max(...same.kl)).toBe(0);
    const whole = await scorePrompts(prepared, masks, {}, new Float32Array(masks.length).fill(1));
    for (const [i, kl] of own.kl.entries()) expect(whole.kl[i]).toBeCloseTo(kl, 5);
  });

  it('leaves what answers are needed for empty where there are none', async () => {
    const { prepared, masks } = await build(false);
    const metrics = await evaluateMasks(scorerOf(prepared), masks, { ...settings, controlSeeds: 0 });
    expect(metrics).toMatchObject({
      accuracy: null,
      full_accuracy: null,
      logit_diff: null,
      prob_diff: null,
      faithfulness: null,
      denominator: null,
      controls: null,
    });
    expect(metrics.confidence.accuracy).toBeNull();
    expect(metrics.kl).toBeGreaterThan(0);
  });
});
