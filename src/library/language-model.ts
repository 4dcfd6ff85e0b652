/** A language model opened for reading and masking: what most scripts begin with. */
import { InputError } from '../errors.js';
import { EMBEDDED } from '../formats/model-folder.js';
import { type PairRecord, type PromptPair, promptPairsOf } from '../formats/prompt-pairs.js';
import { encodePairs, type TokenPair } from '../formats/token-pairs.js';
import type { Masks } from '../masks/masks-file.js';
import type { Architecture } from '../models/architecture.js';
import type { Component } from '../models/components.js';
import type { LongCall } from '../progress.js';
import { loadData } from '../run/data.js';
import { laidOut, masksMetadata } from '../run/masks.js';
import { openSubject } from '../run/subject.js';
import { trainOn } from '../run/training.js';
import { complete } from '../settings/complete.js';
import { SPLITS } from '../tasks/splits.js';
import {
  checkWritesTokens,
  coefficientsOn,
  type Direction,
  directionRows,
  type PromptCoefficients,
  type TokensWritten,
  tokensOf,
} from './directions.js';
import { type ForwardOptions, type ForwardResult, kindsNeeded, runPrompt } from './forward.js';
import {
  type AttackOptions,
  type AttackResult,
  type Evaluation,
  MaskedPrompts,
  openBench,
  type RunSettings,
  wholeSettings,
} from './masked-prompts.js';
import { OpenedModel, type Prompt } from './opened-model.js';
import type {
  EvaluateOptions,
  MaskingOptions,
  OpenOptions,
  PromptOptions,
  PromptSplits,
  TrainCall,
  TrainOptions,
} from './options.js';

/** What training gave. */
export interface TrainedMasks {
  /** The best masks: 0 or 1 after a rounding phase, between them without one. */
  masks: Masks;
  /** The best masks of the soft phase, in [0, 1]. */
  soft: Masks;
  /** Steps done, over both phases. */
  steps: number;
}

/**
 * A model on this machine. Nothing is decomposed or loaded before it is needed; decompositions are kept in the store,
 * where later programs and the command line find them.
 *
 * @example
 * import { LanguageModel, readPromptPairs } from 'orthoscope';
 *
 * const model = await LanguageModel.open('embedded');
 * const pairs = model.pairs(await readPromptPairs('pairs.jsonl'));
 * const { masks } = await model.train({ train: pairs }, { steps: 2, roundingSteps: 0 });
 * console.log(masks.values.get('L0H0.ov'));
 * await model.close();
 */
export class LanguageModel {
  readonly #opened: OpenedModel;

  private constructor(opened: OpenedModel) {
    this.#opened = opened;
  }

  /**
   * Opens a model.
   * @param model folder with `config.json`, safetensors and perhaps `tokenizer.json`; a hub id, which is downloaded; or
   *   `embedded`, the small one that comes along
   * @throws InputError if it cannot be found or read
   * @example
   * import { LanguageModel } from 'orthoscope';
   *
   * const model = await LanguageModel.open('embedded', { engine: 'wasm' });
   * console.log(model.architecture.nLayers, model.components.length);
   * await model.close();
   */
  static async open(
    model: string = EMBEDDED,
    options: OpenOptions = {},
    call: LongCall = {},
  ): Promise<LanguageModel> {
    const settings = complete('run', { ...options, model });
    return new LanguageModel(new OpenedModel(await openSubject(model, { ...settings, ...call }), settings));
  }

  /** How it can be opened again from anywhere on this machine: `embedded`, a hub id, or an absolute path. */
  get name(): string {
    return this.#opened.name;
  }

  /** Sizes, and all that changes the forward pass. */
  get architecture(): Architecture {
    return this.#opened.subject.model.architecture;
  }

  /** Every component that is decomposed: layer by layer, kind by kind, head by head. */
  get components(): Component[] {
    return this.#opened.components;
  }

  /**
   * The singular directions of a component as rows, by descending σ. The model is decomposed first, if it never was.
   * @param component e.g. `L9H6.ov` or `L4.mlp_out`
   * @throws InputError if there is no such component, or its directions are planes (`qkSplit: 'plane'`)
   * @example
   * import { LanguageModel } from 'orthoscope';
   *
   * const model = await LanguageModel.open('embedded');
   * for (const { name, sigma, writes } of await model.directions('L1H0.ov')) console.log(name, sigma, writes.length);
   * await model.close();
   */
  async directions(component: string, call: LongCall = {}): Promise<Direction[]> {
    const { layer } = this.#opened.component(component);
    const decomposition = await this.#opened.decomposition(call);
    const found = (await decomposition.layer(layer, [component])).get(component);
    if (!found)
      throw new InputError(
        `${component}: is split into planes, which have no rows; open the model with another qkSplit`,
      );
    return directionRows(found);
  }

  /**
   * The tokens that directions of a component write: σ_k v_kᵀ W_U, the largest and the smallest (docs/maths.md).
   * @param component of a kind that writes to the stream: `ov`, `mlp_out` or `mlp_down`
   * @param options.directions which; all by default
   * @param options.top how many tokens at each end; 10 by default
   * @throws InputError if there is no such component or direction, or it does not write to the stream
   * @example
   * import { LanguageModel } from 'orthoscope';
   *
   * const model = await LanguageModel.open('embedded');
   * const [first] = await model.tokensWritten('L2H0.ov', { directions: [0], top: 5 });
   * console.log(first.raised.map(({ token, logit }) => `${token} ${logit.toFixed(2)}`));
   * await model.close();
   */
  async tokensWritten(
    component: string,
    { directions, top = 10 }: { directions?: readonly number[]; top?: number } = {},
    call: LongCall = {},
  ): Promise<TokensWritten[]> {
    checkWritesTokens(this.#opened.component(component));
    const all = await this.directions(component, call);
    const chosen = (directions ?? [...all.keys()]).map((index) => {
      const direction = all[index];
      if (!direction)
        throw new InputError(`${component} has directions 0 to ${all.length - 1}, not ${index}`);
      return direction;
    });
    const { model, tokenizer } = this.#opened.subject;
    return tokensOf(chosen, await model.ends(), model.architecture, tokenizer, top);
  }

  /**
   * Coefficients of a prompt: what multiplies σ_k v_k, at every token. For OV the input is what the head's attention
   * gathers at that token.
   * @param options.components e.g. `['L9H6.ov']`
   * @throws InputError if there is no such component, the prompt is too long or empty, or text is given and there is no
   *   tokenizer
   * @example
   * import { LanguageModel } from 'orthoscope';
   *
   * const model = await LanguageModel.open('embedded');
   * const { tokens, values } = await model.coefficients('When Mary and John went to the store', {
   *   components: ['L1H0.ov'],
   * });
   * values.get('L1H0.ov').forEach((row, at) => console.log(tokens[at], row[0]));
   * await model.close();
   */
  coefficients(
    prompt: Prompt,
    { components }: { components: readonly string[] },
    call: LongCall = {},
  ): Promise<PromptCoefficients> {
    const { tokenizer } = this.#opened.subject;
    return this.#opened.inTurn(async () => {
      const wanted = components.map((name) => this.#opened.component(name));
      const ids = this.#opened.encode(prompt);
      const model = await this.#opened.load(
        wanted.map(({ kind }) => kind),
        call,
      );
      if (model.planes && wanted.some(({ kind }) => kind === 'qk'))
        throw new InputError('planes have two coordinates each; open the model with another qkSplit');
      return coefficientsOn(model, tokenizer, ids, wanted);
    });
  }

  /**
   * Runs the unmasked model on a prompt: what follows, values at named places, and what becomes of the prediction when
   * such values or coefficients are changed in place.
   * @throws InputError if a place, component or direction is not there, a replacement has another size than its place,
   *   the prompt is too long or empty, or text is given and there is no tokenizer
   * @example
   * import { LanguageModel } from 'orthoscope';
   *
   * const model = await LanguageModel.open('embedded');
   * const prompt = 'When Mary and John went to the store, John gave a drink to';
   * const { next, places } = await model.forward(prompt, { read: [{ layer: 1, place: 'pattern' }] });
   * console.log(next[0].token, places[0].shape);
   * const without = await model.forward(prompt, {
   *   changes: [{ component: 'L2H0.ov', directions: [0, 1], change: { set: 0 } }],
   * });
   * console.log(without.next[0].token);
   * await model.close();
   */
  forward(prompt: Prompt, options: ForwardOptions = {}, call: LongCall = {}): Promise<ForwardResult> {
    const { tokenizer } = this.#opened.subject;
    return this.#opened.inTurn(async () => {
      for (const { component } of options.changes ?? []) this.#opened.component(component);
      const ids = this.#opened.encode(prompt);
      return runPrompt(await this.#opened.load(kindsNeeded(options), call), tokenizer, ids, options);
    });
  }

  /**
   * Prompt pairs of a task, made for this model's tokenizer; or of files, cut into splits where there is one alone.
   * @throws InputError if neither a task nor a file is named, or one does not fit the model
   * @example
   * import { LanguageModel } from 'orthoscope';
   *
   * const model = await LanguageModel.open('embedded');
   * const { train, test } = await model.prompts({ task: 'greater-than', seed: 1, trainPairs: 100, testPairs: 50 });
   * console.log(train.length, test[0].clean, test[0].answers);
   * await model.close();
   */
  async prompts(options: PromptOptions): Promise<PromptSplits> {
    const settings = complete('run', { ...options, model: this.name });
    const { name, splits } = await loadData(this.#opened.subject, settings, SPLITS);
    return { name, train: splits.train!, validation: splits.validation!, test: splits.test! };
  }

  /**
   * Prompt pairs held in memory, or read by {@link readPromptPairs}, as token ids.
   * @throws InputError naming the pair: a field is wrong, an answer is not known to the tokenizer, a prompt is too long
   * @example
   * import { LanguageModel } from 'orthoscope';
   *
   * const model = await LanguageModel.open('embedded');
   * const pairs = model.pairs([
   *   {
   *     clean: 'When Mary and John went to the store, John gave a drink to',
   *     corrupted: 'When Anna and Paul went to the store, Tom gave a drink to',
   *     answer: ' Mary',
   *     distractor: ' John',
   *   },
   * ]);
   * console.log((await model.train({ train: pairs }, { steps: 2, roundingSteps: 0 })).steps);
   * await model.close();
   */
  pairs(records: readonly (PairRecord | PromptPair)[]): TokenPair[] {
    const { model, tokenizer } = this.#opened.subject;
    return encodePairs(promptPairsOf(records), tokenizer, model.architecture);
  }

  /**
   * Learns masks in memory. {@link Run.make} does the same into a folder, from which it can go on after a break.
   * @param pairs without validation pairs, masks are validated on the training pairs
   * @param options all as `orthoscope train` has them by default
   * @throws InputError if pairs lack what the settings ask of them; InterruptedError if the signal fires
   * @example
   * import { LanguageModel, writeMasks } from 'orthoscope';
   *
   * const model = await LanguageModel.open('embedded');
   * const pairs = await model.prompts({ task: 'ioi', trainPairs: 32, validationPairs: 16, testPairs: 0 });
   * const onStep = ({ step, kl, l1 }) => console.log(step, kl, l1);
   * const { masks } = await model.train(pairs, { steps: 3, roundingSteps: 2 }, { onStep });
   * await writeMasks('masks.safetensors', masks);
   * await model.close();
   */
  train(
    pairs: { train: readonly TokenPair[]; validation?: readonly TokenPair[] },
    options: TrainOptions = {},
    { onStep, ...call }: TrainCall = {},
  ): Promise<TrainedMasks> {
    return this.#opened.inTurn(async () => {
      const settings = this.#whole(options);
      const { train, validation } = pairs;
      const all = [...train, ...(validation ?? [])];
      const { batchSize } = settings;
      const basisOf = { estimatedOn: train };
      const bench = await openBench(this.#opened.subject, all, settings, batchSize, call, basisOf);
      try {
        const hooks = { ...call, onHistory: onStep };
        const { masks, soft, steps } = await trainOn(bench, { train, validation }, settings, hooks);
        const metadata = await masksMetadata(bench, settings);
        const named = (flat: Float32Array): Masks => ({ values: bench.runner.layout.split(flat), metadata });
        return { masks: named(masks), soft: named(soft), steps };
      } finally {
        await bench.runner.close();
      }
    });
  }

  /**
   * Makes a model and prompt pairs ready for masks, for loops of one's own. Close what is returned.
   * @param options.components kinds of component to mask; all by default
   * @throws InputError if pairs lack what the settings ask of them
   * @example
   * import { LanguageModel, readPromptPairs } from 'orthoscope';
   *
   * const model = await LanguageModel.open('embedded');
   * const pairs = model.pairs(await readPromptPairs('pairs.jsonl'));
   * const masked = await model.masked(pairs, { replacement: 'mean' });
   * console.log((await masked.loss(masked.constant(0))).kl);
   * await masked.close();
   * await model.close();
   */
  masked(
    pairs: readonly TokenPair[],
    options: MaskingOptions & Pick<TrainOptions, 'components'> = {},
    call: LongCall = {},
  ): Promise<MaskedPrompts> {
    return this.#opened.inTurn(() =>
      MaskedPrompts.open(this.#opened.subject, pairs, this.#whole(options), call),
    );
  }

  /**
   * Measures masks on prompt pairs: the masks as they are, the circuit that they stand for, and controls of its size.
   * @param masks as {@link LanguageModel.train} or {@link readMasks} gives them; kinds without masks run whole
   * @throws InputError if the masks are not this model's, or pairs lack what the settings ask of them;
   *   InterruptedError if the signal fires
   * @example
   * import { LanguageModel, readMasks, readPromptPairs } from 'orthoscope';
   *
   * const model = await LanguageModel.open('embedded');
   * const pairs = model.pairs(await readPromptPairs('pairs.jsonl'));
   * const masks = await readMasks('runs/ioi/masks.safetensors');
   * const { binarised, controls } = await model.evaluate(masks, pairs, { controlSeeds: 1 });
   * console.log(binarised.active, binarised.kl, controls.random.kl);
   * await model.close();
   */
  async evaluate(
    masks: Masks,
    pairs: readonly TokenPair[],
    options: EvaluateOptions = {},
    call: LongCall = {},
  ): Promise<Evaluation> {
    return this.#withMasks(masks, pairs, options, call, (masked) => masked.evaluate(masks, options, call));
  }

  /**
   * How far a circuit's KL can be driven by putting back shares of what it leaves out (docs/maths.md, "Adversarial
   * shares"). The worst shares are looked for on some pairs and measured on others.
   * @param pairs.attacked what the adversary sees
   * @param pairs.measured what is measured; should be other prompts
   * @throws as {@link LanguageModel.evaluate}
   * @example
   * import { LanguageModel, readMasks } from 'orthoscope';
   *
   * const model = await LanguageModel.open('embedded');
   * const { train, test } = await model.prompts({ task: 'ioi', trainPairs: 8, validationPairs: 0, testPairs: 8 });
   * const masks = await readMasks('runs/ioi/masks.safetensors');
   * const attack = await model.attack(masks, { attacked: train, measured: test }, { starts: 1, steps: 3 });
   * console.log(attack.figures.kl, attack.missed[0]?.name);
   * await model.close();
   */
  async attack(
    masks: Masks,
    { attacked, measured }: { attacked: readonly TokenPair[]; measured: readonly TokenPair[] },
    options: AttackOptions = {},
    call: LongCall = {},
  ): Promise<AttackResult> {
    const { positions, replacement, basis, basisSeed, seed, ...attack } = options;
    const masking = { positions, replacement, basis, basisSeed, seed };
    return this.#withMasks(masks, attacked, masking, call, (masked) =>
      masked.attack(masks, measured, attack, call),
    );
  }

  /** Closes the model's files and frees it on the engine. */
  close(): Promise<void> {
    return this.#opened.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Prompts made ready with the kinds that the masks have. */
  #withMasks<T>(
    masks: Masks,
    pairs: readonly TokenPair[],
    options: EvaluateOptions,
    call: LongCall,
    work: (masked: MaskedPrompts) => Promise<T>,
  ): Promise<T> {
    return this.#opened.inTurn(async () => {
      const whole = this.#whole(options);
      const { kinds, basisName } = laidOut(masks, this.#opened.subject.model, whole);
      const settings = { ...whole, components: kinds };
      const masked = await MaskedPrompts.open(this.#opened.subject, pairs, settings, call, basisName);
      try {
        return await work(masked);
      } finally {
        await masked.close();
      }
    });
  }

  #whole(options: TrainOptions | EvaluateOptions): RunSettings {
    return wholeSettings({ ...this.#opened.settings, model: this.name }, options);
  }
}
