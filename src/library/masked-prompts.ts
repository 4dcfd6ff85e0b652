/** Prompt pairs on which masks are run: scores, loss and gradient, evaluation and attack. */
import { InputError } from '../errors.js';
import { attackCircuit, type CircuitAttack } from '../evaluate/attack-circuit.js';
import type { AttackFigures } from '../evaluate/attack-figures.js';
import { evaluateMasks, type PairScorer } from '../evaluate/evaluate.js';
import type { SplitMetrics } from '../evaluate/metrics-file.js';
import type { PromptScores } from '../evaluate/prompt-scores.js';
import type { TokenPair } from '../formats/token-pairs.js';
import type { Masks } from '../masks/masks-file.js';
import type { Component } from '../models/components.js';
import { checkPairs } from '../pairs/pair-requirements.js';
import type { LongCall } from '../progress.js';
import { checkedKinds } from '../run/decomposition.js';
import type { RunnablePairs } from '../run/mask-runner.js';
import { checkMasks } from '../run/masks.js';
import type { Subject } from '../run/subject.js';
import { openWorkbench, type Workbench, type WorkbenchOptions } from '../run/workbench.js';
import type { LossKind } from '../settings/choices.js';
import type { Settings } from '../settings/commands.js';
import { complete } from '../settings/complete.js';
import type { EvaluateOptions, MaskingOptions, TrainOptions } from './options.js';

/** Masks, or any other values by component: what is not named keeps all its directions. */
export type MaskValues = Pick<Masks, 'values'> & Partial<Pick<Masks, 'metadata'>>;

/** What masks do on some prompts, in the mean, and how that changes with them. */
export interface MaskLoss {
  /** Mean KL(full ‖ masked) at the last token, in nats. */
  kl: number;
  /** Mean of the loss; the same as `kl` for that loss. */
  loss: number;
  /** Derivative of `loss` by each mask, by component: [directions]. */
  gradient: Map<string, Float32Array>;
}

/** What masks do on prompts in the mean, with intervals and controls: as {@link Metrics} has it of a split. */
export type Evaluation = Omit<SplitMetrics, 'source' | 'hash'>;

/** How an attack on a circuit goes about it; all but `starts` and `steps` only add figures. */
export interface AttackOptions extends MaskingOptions, Partial<Omit<CircuitAttack, 'seed' | 'marks'>> {
  /** Steps of each ascent; 20 by default. */
  steps?: number;
  /** A direction is in the circuit if its mask is above this; ½ by default. */
  threshold?: number;
}

/** A left-out direction that breaks the circuit when it comes back. */
export interface MissedDirection {
  /** E.g. `L9H6.ov.3`. */
  name: string;
  /** How much of it the adversary puts back, 0 … 1. */
  share: number;
  /** Its part in the KL that the adversary adds, in nats: the more `points`, the closer all parts add up to that. */
  part: number;
  /** How much KL goes away without it, in nats; null where that was not measured. */
  returns: number | null;
}

/** What an adversary did to a circuit. */
export interface AttackResult {
  figures: AttackFigures;
  /** The worst shares of what was left out, by component: [directions], 0 … 1. */
  shares: Map<string, Float32Array>;
  /** Those with the largest part first. */
  missed: MissedDirection[];
}

/** Few enough steps for an answer within seconds on a small model; docs/maths.md says what more of them find. */
const ATTACK: Omit<CircuitAttack, 'seed' | 'marks'> = {
  starts: 4,
  rate: 0.1,
  budgetSteps: 0,
  most: [],
  caps: [],
  draws: 0,
  points: 10,
  along: 0,
  exactly: 5,
};
const ATTACK_STEPS = 20;

/** All settings of what masks are run with. */
export type RunSettings = Settings<'run'>;

/**
 * All settings of what masks are run with, from those that were given.
 * @throws InputError if a setting is unknown or not allowed
 */
export function wholeSettings(
  { model, engine, workers, memory, store, storeDtype, form, qkSplit, rotaryOffsets, bos }: RunSettings,
  { beforeRounding: _soft, ...given }: TrainOptions & EvaluateOptions,
): RunSettings {
  const opened = { model, engine, workers, memory, store, storeDtype, form, qkSplit, rotaryOffsets, bos };
  return complete('run', { ...given, ...opened });
}

/**
 * Decomposes a model if need be, and loads it so that masks can be run on prompt pairs.
 * @throws InputError if pairs lack what the settings ask of them, and see `openWorkbench`
 */
export async function openBench(
  subject: Subject,
  pairs: readonly TokenPair[],
  settings: RunSettings,
  batchSize: number,
  call: LongCall,
  basisOf: Pick<WorkbenchOptions, 'estimatedOn' | 'basisName'> = {},
): Promise<Workbench> {
  if (pairs.length === 0) throw new InputError('there are no prompt pairs');
  checkPairs(pairs, { ...settings, kinds: checkedKinds(subject.model, settings.components) });
  const lengths = pairs.map(({ clean }) => clean.length);
  return openWorkbench(subject, { lengths, batchSize }, { ...settings, ...basisOf, ...call });
}

/**
 * A model and prompt pairs, ready for masks: for loops of one's own over scores, losses and gradients. Made by
 * {@link LanguageModel.masked}; close it when done.
 */
export class MaskedPrompts {
  readonly #bench: Workbench;
  readonly #prepared: RunnablePairs;
  readonly #settings: RunSettings;
  /** The pairs, in the order in which scores come. */
  readonly pairs: readonly TokenPair[];

  private constructor(
    bench: Workbench,
    prepared: RunnablePairs,
    pairs: readonly TokenPair[],
    settings: RunSettings,
  ) {
    this.#bench = bench;
    this.#prepared = prepared;
    this.#settings = settings;
    this.pairs = pairs;
  }

  /** @internal */
  static async open(
    subject: Subject,
    pairs: readonly TokenPair[],
    settings: RunSettings,
    call: LongCall,
    basisName: string | null = null,
  ): Promise<MaskedPrompts> {
    const basisOf = { basisName, estimatedOn: pairs };
    const bench = await openBench(subject, pairs, settings, pairs.length, call, basisOf);
    try {
      const prepared = await bench.runner.prepare(pairs, { ...settings, ...call });
      return new MaskedPrompts(bench, prepared, pairs, settings);
    } catch (error) {
      await bench.runner.close();
      throw error;
    }
  }

  /** The masked components, in the order of the masks. */
  get components(): readonly Component[] {
    return this.#bench.runner.layout.components;
  }

  /**
   * Masks of one value everywhere, to begin with or to compare with.
   * @example
   * import { LanguageModel, readPromptPairs } from 'orthoscope';
   *
   * const model = await LanguageModel.open('embedded');
   * const pairs = model.pairs(await readPromptPairs('pairs.jsonl'));
   * const masked = await model.masked(pairs, { components: ['ov'] });
   * console.log(masked.constant(1).values.get('L0H0.ov'));
   * await masked.close();
   * await model.close();
   */
  constant(value: number): Masks {
    const { layout } = this.#bench.runner;
    return { values: layout.split(new Float32Array(layout.size).fill(value)), metadata: {} };
  }

  /**
   * What masks do on each prompt, next to what the full model does.
   * @returns arrays with one entry per pair: KL in nats, matches as 0 or 1, differences of logits and probabilities;
   *   NaN where a pair has nothing to score
   * @throws InputError if the masks are not the model's
   * @example
   * import { LanguageModel, readMasks, readPromptPairs } from 'orthoscope';
   *
   * const model = await LanguageModel.open('embedded');
   * const pairs = model.pairs(await readPromptPairs('pairs.jsonl'));
   * const masked = await model.masked(pairs);
   * const { kl } = await masked.scores(await readMasks('runs/ioi/masks.safetensors'));
   * console.log(pairs.map(({ id }, at) => `${id} ${kl[at].toFixed(3)}`));
   * await masked.close();
   * await model.close();
   */
  async scores(masks: MaskValues, call: LongCall = {}): Promise<PromptScores> {
    return this.#prepared.score(await this.#flat(masks), call);
  }

  /**
   * Loss and gradient by the masks, whose values need not lie in [0, 1].
   * @param options.loss `kl` by default; the others need answers, `logit_diff` distractors as well
   * @param options.prompts indices of pairs; all by default
   * @throws InputError if the masks are not the model's
   * @example
   * import { LanguageModel, readPromptPairs } from 'orthoscope';
   *
   * const model = await LanguageModel.open('embedded');
   * const pairs = model.pairs(await readPromptPairs('pairs.jsonl'));
   * const masked = await model.masked(pairs);
   * const { kl, gradient } = await masked.loss(masked.constant(0.5), { prompts: [0, 1] });
   * console.log(kl, gradient.get('L0H0.ov'));
   * await masked.close();
   * await model.close();
   */
  async loss(
    masks: MaskValues,
    { loss = 'kl', prompts = [...this.pairs.keys()] }: { loss?: LossKind; prompts?: readonly number[] } = {},
  ): Promise<MaskLoss> {
    const beyond = prompts.find((prompt) => !this.pairs[prompt]);
    if (beyond !== undefined)
      throw new InputError(`there is no pair ${beyond}: they are 0 to ${this.pairs.length - 1}`);
    const chosen = prompts.map((prompt) => this.pairs[prompt]!);
    checkPairs(chosen, { ...this.#settings, kinds: this.#bench.runner.layout.kinds, loss });
    const { gradient, ...means } = await this.#prepared.objective(prompts, await this.#flat(masks), loss);
    return { ...means, gradient: this.#bench.runner.layout.split(gradient) };
  }

  /**
   * Figures of masks and of the circuit that they stand for, with intervals and controls, as `metrics.json` has them.
   * @throws InputError if the masks are not the model's; InterruptedError if the signal fires
   * @example
   * import { LanguageModel, readMasks, readPromptPairs } from 'orthoscope';
   *
   * const model = await LanguageModel.open('embedded');
   * const pairs = model.pairs(await readPromptPairs('pairs.jsonl'));
   * const masked = await model.masked(pairs);
   * const masks = await readMasks('runs/ioi/masks.safetensors');
   * for (const threshold of [0.3, 0.7]) {
   *   const { binarised } = await masked.evaluate(masks, { threshold, controlSeeds: 0 });
   *   console.log(threshold, binarised.active, binarised.kl);
   * }
   * await masked.close();
   * await model.close();
   */
  async evaluate(
    masks: MaskValues,
    options: Omit<EvaluateOptions, keyof MaskingOptions> = {},
    call: LongCall = {},
  ): Promise<Evaluation> {
    const { beforeRounding, ...given } = options;
    const { runner } = this.#bench;
    const settings = { ...this.#settings, ...given };
    const soft = beforeRounding && (await this.#flat(beforeRounding));
    const scorer: PairScorer = {
      layout: runner.layout,
      sigma: runner.sigma,
      masked: runner.layout.components.filter(({ name }) => masks.values.has(name)),
      length: this.pairs.length,
      scoreEach: (all, call) => this.#prepared.scoreEach(all, call),
      some: (indices) => this.#prepared.some(indices),
    };
    return evaluateMasks(scorer, await this.#flat(masks), { ...settings, beforeRounding: soft }, call);
  }

  /** @internal */
  async attack(
    masks: MaskValues,
    measured: readonly TokenPair[],
    { steps = ATTACK_STEPS, threshold = 0.5, ...options }: AttackOptions,
    call: LongCall,
  ): Promise<AttackResult> {
    const { runner } = this.#bench;
    const { layout } = runner;
    const flat = await this.#flat(masks);
    const circuit = flat.map((mask) => Number(mask > threshold));
    const all = [...this.pairs.keys()];
    const pull = (shares: Float32Array) => this.#prepared.objective(all, shares, 'kl');
    const { figures, shares, missed } = await attackCircuit(
      { pull, kl: (shares) => this.#prepared.kl(shares) },
      await runner.prepare(measured, { ...this.#settings, ...call }),
      circuit,
      { ...ATTACK, ...options, seed: this.#settings.seed, marks: [steps] },
      call,
    );
    const names = layout.components.flatMap(({ name, rank }) =>
      Array.from({ length: rank }, (_, index) => `${name}.${index}`),
    );
    return {
      figures,
      shares: layout.split(shares),
      missed: missed.map(({ direction, ...rest }) => ({ name: names[direction]!, ...rest })),
    };
  }

  /** Frees the model on the engine, and ends its threads. */
  close(): Promise<void> {
    return this.#bench.runner.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #flat({ values, metadata = {} }: MaskValues): Promise<Float32Array> {
    const { runner, subject } = this.#bench;
    await checkMasks({ values, metadata }, 'masks', subject.model, this.#settings);
    const flat = new Float32Array(runner.layout.size).fill(1);
    const views = runner.layout.split(flat);
    for (const [name, given] of values) {
      const view = views.get(name);
      if (!view)
        throw new InputError(`${name}: is not masked here; leave it out, or add its kind to "components"`);
      if (given.length !== view.length)
        throw new InputError(`${name}: has ${given.length} masks, the basis ${view.length} directions`);
      view.set(given);
    }
    return flat;
  }
}
