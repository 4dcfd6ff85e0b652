/** What the page may ask of the engine: a circuit, changed, scored, attacked, run on prompts, and saved as masks. */
import { existsSync } from 'node:fs';
import { relative } from 'node:path';
import { z } from 'zod';
import type { Engine } from '../engine/engine.js';
import { InputError } from '../errors.js';
import { attackMetrics, attackPasses, MEASURED } from '../evaluate/attack-metrics.js';
import { binarised } from '../evaluate/circuit-size.js';
import { recordOf, SCORES } from '../evaluate/metrics.js';
import { scorePrompts } from '../evaluate/prompt-scores.js';
import { evenly } from '../evaluate/some-pairs.js';
import { makeFolder } from '../formats/make-folder.js';
import type { RunFolder } from '../formats/run-folder.js';
import type { TokenPair } from '../formats/token-pairs.js';
import { modelCost } from '../forward/model-cost.js';
import type { Passes } from '../forward/passes.js';
import { type Direction, directionName, readCoefficients } from '../interpret/coefficients.js';
import { chosenDirections, circuitMasks, type Opened } from '../interpret/open.js';
import { promptCard, UnmaskedPrompt } from '../interpret/prompt-card.js';
import { swapping } from '../interpret/swap.js';
import type { TakenApart } from '../interpret/taken-apart.js';
import { contrasted, typedPair } from '../interpret/typed-prompt.js';
import type { Changes } from '../masks/last-logits.js';
import { readMasks, writeMasks } from '../masks/masks-file.js';
import type { Architecture } from '../models/architecture.js';
import { kindsOf } from '../models/components.js';
import { checkPairs } from '../pairs/pair-requirements.js';
import { PreparedPairs } from '../pairs/prepared-pairs.js';
import type { Listener, LongCall, OnProgress } from '../progress.js';
import { type RunnablePairs, runnableInThisThread } from '../run/mask-runner.js';
import { ownData } from '../run/own-data.js';
import { planFor, workload } from '../run/workbench.js';
import { shellCommand } from '../settings/command-line.js';
import type { Settings } from '../settings/commands.js';
import { mean } from '../statistics/summary.js';
import { BASES, type Edit, editedMasks, MOST_MASK, type Place } from './edit.js';
import type { AskName, Asks, AttackSoFar, LiveScores, TypedPrompt } from './live.js';
import type { LiveCall } from './live-server.js';

const name = z.string().max(100);
const prompt = z.string().min(1).max(20_000);
const optional = prompt.nullable();
const edit = z.strictObject({
  base: z.enum(BASES),
  changes: z
    .array(z.tuple([name, z.union([z.number().min(0).max(MOST_MASK), z.literal('swap')])]))
    .max(10_000),
});

/** What may be asked: everything that comes over the wire passes here. */
const ASKS = {
  scores: z.strictObject({ edit }),
  prompt: z.union([
    z.strictObject({ edit, at: z.int().min(0) }),
    z.strictObject({
      edit,
      typed: z.strictObject({ prompt, corrupted: optional, answer: optional, distractor: optional }),
    }),
  ]),
  attack: z.strictObject({ edit, steps: z.int().min(1).max(100) }),
  activations: z.strictObject({ direction: name, text: prompt }),
  save: z.strictObject({
    edit,
    name: z
      .string()
      .regex(/^[A-Za-z0-9][\w-]{0,59}$/, 'is a word of letters, digits, - and _, at most 60 of them'),
  }),
} satisfies { [Name in AskName]: z.ZodType<Asks[Name]['ask']> };

/** Folder inside the run's for masks that were saved. */
const SAVED = 'edits';

/** Multiplications for which a model is quick: test prompts are left out beyond that, down to the fewest. */
const QUICK = 2e10;
const FEWEST = 32;

export interface LiveOptions {
  run: RunFolder;
  /** The run's settings, of an evaluation of its masks. */
  own: Settings<'evaluate'>;
  threshold: number;
  /** Test prompts to score, at equal distances; null: all, or of a large model fewer. */
  mostPairs: number | null;
}

/** Who goes first where several wait: what was typed, then scores; an attack gives way to all of them. */
const RANKS: Record<AskName, number> = { prompt: 0, activations: 0, save: 0, scores: 1, attack: 2 };

/** Answers that are kept: a page asks for the same scores in more than one place. */
const MOST_KNOWN = 200;
/** What a pass forward and back takes of time, in passes forward. */
const GRADIENT = 3;

/** A prompt that was asked for last, with what no mask changes of it. */
interface LastPrompt {
  /** What was asked. */
  key: string;
  prepared: PreparedPairs;
  index: number;
  unmasked: UnmaskedPrompt;
}

export class LiveCircuit {
  readonly #places: Place[];
  readonly #found: Float32Array;
  #lastSwaps: { key: string; changes: Changes | null } | null = null;
  #lastPrompt: LastPrompt | null = null;
  readonly #known = new Map<string, LiveScores>();
  #attacked: { seen: RunnablePairs; measured: RunnablePairs } | null = null;

  private constructor(
    private readonly opened: Opened & { apart: TakenApart },
    private readonly options: LiveOptions,
    /** Test prompts, made ready. */
    private readonly tested: PreparedPairs,
    /** Of how many. */
    private readonly all: readonly TokenPair[],
    private readonly trained: readonly TokenPair[],
    private readonly passes: Passes,
  ) {
    const { layout } = opened.apart.running;
    const masks = opened.masks!;
    this.#found = circuitMasks(layout, masks, options.threshold);
    this.#places = layout.components
      .filter(({ name }) => masks.has(name))
      .map((component) => ({
        name: component.name,
        start: layout.of(component).start,
        directions: component.rank,
      }));
  }

  /** @throws InputError if the run's prompts are not there any more as they were */
  static async open(
    opened: Opened & { apart: TakenApart },
    options: LiveOptions,
    listener: Listener,
  ): Promise<LiveCircuit> {
    const { subject, engine, apart } = opened;
    const { run, own } = options;
    const { architecture } = subject.model;
    const { data, split } = await ownData(run, subject, own, kindsOf(architecture), listener);
    const all = data.splits[split]!;
    const most = options.mostPairs ?? quickPairs(architecture, all);
    const pairs = most < all.length ? evenly(all, most) : all;
    const { passes } = await planFor(subject, workload(data, own.attackPairs), engine as Engine, {
      ...own,
      components: null,
      workers: 1,
    });
    const { replacement, seed } = own;
    const how = { replacement, seed, keepPast: passes.keepPast, forwardTokens: passes.forward };
    const tested = await PreparedPairs.prepare(apart.running, pairs, { ...how, ...listener });
    return new LiveCircuit(opened, options, tested, all, data.splits.train ?? all, passes);
  }

  /** How many test prompts are scored, and can be asked for by their place. */
  get prompts(): number {
    return this.tested.length;
  }

  rankOf(asked: string): number {
    return Object.hasOwn(RANKS, asked) ? RANKS[asked as AskName] : 0;
  }

  /** @throws InputError if it is nothing that may be asked, or cannot be done */
  async answer(asked: string, given: unknown, call: LiveCall): Promise<unknown> {
    if (!Object.hasOwn(ASKS, asked)) throw new InputError(`${asked}: nothing of that name can be asked`);
    const read = ASKS[asked as AskName].safeParse(given);
    if (!read.success) {
      const { path, message } = read.error.issues[0]!;
      throw new InputError(`${[asked, ...path].join('.')}: ${message}`);
    }
    return this[asked as AskName](read.data as never, call);
  }

  async scores({ edit }: Asks['scores']['ask'], call: LongCall): Promise<LiveScores> {
    const key = JSON.stringify(edit);
    const known = this.#known.get(key);
    if (known) return known;
    const scores = await this.#scores(edit, call);
    this.#known.set(key, scores);
    if (this.#known.size > MOST_KNOWN) this.#known.delete(this.#known.keys().next().value!);
    return scores;
  }

  async #scores(edit: Edit, call: LongCall): Promise<LiveScores> {
    const { masks, swapped } = this.#edited(edit);
    const changes = await this.#testSwaps(swapped, call);
    const scores = await scorePrompts(this.tested, masks, { ...call, changes });
    return {
      ...recordOf(SCORES, (score) => mean(scores[score])),
      kept: this.#places.reduce((sum, place) => sum + this.#kept(masks, place), 0),
      prompts: this.tested.length,
      of: this.all.length,
    } as LiveScores;
  }

  async prompt(ask: Asks['prompt']['ask'], call: LiveCall): Promise<Asks['prompt']['answer']> {
    const { subject, apart } = this.opened;
    const { edit, ...asked } = ask;
    const key = JSON.stringify(asked);
    if (this.#lastPrompt?.key !== key)
      this.#lastPrompt = { key, ...(await this.#asked(asked, call)), unmasked: new UnmaskedPrompt() };
    const { prepared, index, unmasked } = this.#lastPrompt;
    const { masks, swapped } = this.#edited(edit);
    const changes =
      prepared === this.tested
        ? await this.#testSwaps(swapped, call)
        : await this.#swaps(swapped, prepared.pairs, call);
    // What is left out of a typed prompt must have something to be replaced by.
    const runs =
      prepared === this.tested || prepared.pairs[0]!.corrupted || this.options.own.replacement === 'zero';
    return promptCard(apart, prepared, index, runs ? masks : null, {
      spell: (id) => subject.tokenizer?.token(id) ?? String(id),
      ...{ changes, unmasked, ...call },
    });
  }

  /** A prompt made ready; one that was typed as `trace` does it: the corrupted prompt stands in for what is left out. */
  async #asked(
    asked: { at: number } | { typed: TypedPrompt },
    { signal }: LongCall,
  ): Promise<Pick<LastPrompt, 'prepared' | 'index'>> {
    if ('at' in asked) {
      if (asked.at < this.tested.length) return { prepared: this.tested, index: asked.at };
      throw new InputError(`prompt ${asked.at}: there are the test prompts 0 to ${this.tested.length - 1}`);
    }
    const { subject, apart } = this.opened;
    const { positions, seed } = this.options.own;
    const pair = await contrasted(apart.running, typedPair(subject, asked.typed).pair, { signal });
    const replacement = pair.corrupted ? 'interchange' : 'zero';
    checkPairs([pair], { kinds: apart.running.layout.kinds, positions, replacement, loss: 'kl' });
    return {
      prepared: await PreparedPairs.prepare(apart.running, [pair], { replacement, seed, signal }),
      index: 0,
    };
  }

  async attack({ edit, steps }: Asks['attack']['ask'], call: LiveCall): Promise<Asks['attack']['answer']> {
    const { own, threshold } = this.options;
    const masks = this.#masksOf(edit, 'an attack');
    const { layout, sigma } = this.opened.apart.running;
    const names = new Set(this.#places.map(({ name }) => name));
    const circuit = {
      ...{ layout, sigma, masks, binarised: binarised(masks, threshold) },
      masked: layout.components.filter(({ name }) => names.has(name)),
    };
    // Random shares are no start of so few.
    const draws = own.attackStarts > 3 ? undefined : 0;
    const settings = { ...own, attack: steps, attackBudgets: false, draws };
    const { gradients, scores } = attackPasses(settings);
    const total = GRADIENT * gradients + scores;
    let at = { stage: 'attack', done: 0, total };
    const onProgress: OnProgress = ({ stage, note }) => {
      at = { ...at, stage };
      call.onProgress?.({ ...at, note });
    };
    /** Between passes nothing is half done: others go first, and the page that went away is heard. */
    const passed = async <T>(passes: number, pass: () => Promise<T>): Promise<T> => {
      call.onProgress?.(at);
      await call.giveWay?.();
      const result = await pass();
      at = { ...at, done: Math.min(total - 1, at.done + passes) };
      return result;
    };
    onProgress(at);
    const { seen, measured } = await this.#attackedPairs(call);
    const { signal } = call;
    const { length } = seen;
    const kl = (pairs: RunnablePairs) => (masks: Float32Array) =>
      passed(1, () => pairs.kl(masks, { signal }));
    const figures = await attackMetrics(
      {
        length,
        kl: kl(seen),
        gradient: (indices, masks) =>
          passed(GRADIENT, () => seen.objective(indices, masks, 'kl', { signal })),
        scoreEach: (all) => passed(all.length, () => seen.scoreEach(all, { signal })),
      },
      {
        length: measured.length,
        kl: kl(measured),
        score: (masks) => passed(1, () => measured.score(masks, { signal })),
      },
      circuit,
      settings,
      {
        signal,
        onProgress,
        onSoFar: (found) => {
          const part: AttackSoFar = {
            ...{ ...found, n: measured.length, starts: own.attackStarts, steps, pairs: length },
          };
          call.onPart?.(part);
        },
      },
    );
    const { random: _, ...shown } = figures;
    return { ...shown, pairs: length };
  }

  /** As `evaluate` attacks: on training pairs, measured on some of the test pairs. */
  async #attackedPairs({ signal }: LongCall): Promise<{ seen: RunnablePairs; measured: RunnablePairs }> {
    const { attackPairs, replacement, seed } = this.options.own;
    if (this.#attacked) return this.#attacked;
    const { train, forward: forwardTokens, keepPast } = this.passes;
    const prepare = (pairs: readonly TokenPair[]) =>
      PreparedPairs.prepare(this.opened.apart.running, pairs, {
        ...{ replacement, seed, keepPast, forwardTokens, signal },
      });
    const most = Math.min(MEASURED * attackPairs, this.tested.length);
    const measured =
      most === this.tested.length
        ? this.tested
        : await prepare(this.all.length <= most ? this.all : evenly(this.all, most));
    const seen = await prepare(this.trained.slice(0, attackPairs));
    this.#attacked = {
      seen: runnableInThisThread(seen, train),
      measured: runnableInThisThread(measured, train),
    };
    return this.#attacked;
  }

  async activations({ direction, text }: Asks['activations']['ask']): Promise<Asks['activations']['answer']> {
    const { subject, apart } = this.opened;
    const [chosen] = chosenDirections({ list: direction, kinds: null, threshold: 0 }, subject, null);
    if (directionName(chosen!) !== direction)
      throw new InputError(`${direction}: name one direction, such as ${directionName(chosen!)}`);
    const typed = { prompt: text, corrupted: null, answer: null, distractor: null };
    const { pair, tokenizer } = typedPair(subject, typed);
    const tokens = Array.from(pair.clean, (id) => tokenizer.token(id));
    const everywhere = [[...pair.clean.keys()]];
    const [values] = await readCoefficients(apart.running, [pair.clean], [chosen!], everywhere);
    return { tokens, values: [...values!] };
  }

  async save({ edit, name }: Asks['save']['ask']): Promise<Asks['save']['answer']> {
    const { run } = this.options;
    const masks = this.#masksOf(edit, 'a file of masks');
    if (masks.some((mask) => mask > 1))
      throw new InputError(
        'a mask is above 1, which masks.safetensors cannot hold; lower it to 1, or leave it out',
      );
    const { metadata } = await readMasks(run.file('masks.safetensors'));
    const path = run.file(`${SAVED}/${name}.safetensors`);
    if (existsSync(path)) throw new InputError(`${path}: is there already; give another name`);
    await makeFolder(run.file(SAVED));
    const values = new Map(
      this.#places.map(({ name, start, directions }) => [name, masks.slice(start, start + directions)]),
    );
    await writeMasks(path, { values, metadata });
    const [folder, file] = [run.path, path].map((each) => relative(process.cwd(), each) || '.');
    return { path, command: shellCommand(['orthoscope', 'evaluate', folder!, '--masks', file!]) };
  }

  #kept(masks: Float32Array, { start, directions }: Place): number {
    let kept = 0;
    for (const mask of masks.subarray(start, start + directions))
      kept += Number(mask > this.options.threshold);
    return kept;
  }

  #edited(edit: Edit): { masks: Float32Array; swapped: Direction[] } {
    const { masks, swapped, unknown } = editedMasks(this.#places, this.#found, edit);
    if (unknown.length > 0)
      throw new InputError(`${unknown[0]}: is no head, component or direction that this run has masks for`);
    const { layout } = this.opened.apart.running;
    const direction = (flat: number): Direction => {
      const component = layout.components.findLast((each) => layout.of(each).start <= flat)!;
      return { component, index: flat - layout.of(component).start };
    };
    return { masks, swapped: swapped.map(direction) };
  }

  /** @param what needs an edit that is masks and nothing else */
  #masksOf(edit: Edit, what: string): Float32Array {
    const { masks, swapped } = this.#edited(edit);
    if (swapped.length > 0)
      throw new InputError(
        `${directionName(swapped[0]!)} is swapped, which ${what} cannot be; take that back`,
      );
    return masks;
  }

  /** Of the test prompts; what was asked last is kept. */
  async #testSwaps(swapped: readonly Direction[], call: LongCall): Promise<Changes | null> {
    const key = swapped.map(directionName).join();
    if (this.#lastSwaps?.key !== key)
      this.#lastSwaps = { key, changes: await this.#swaps(swapped, this.tested.pairs, call) };
    return this.#lastSwaps.changes;
  }

  async #swaps(
    swapped: readonly Direction[],
    pairs: readonly TokenPair[],
    call: LongCall,
  ): Promise<Changes | null> {
    if (swapped.length === 0) return null;
    const most = quickPairs(this.opened.subject.model.architecture, this.trained);
    const some = most < this.trained.length ? evenly(this.trained, most) : this.trained;
    return swapping(this.opened.apart.running, swapped, pairs, some, call);
  }
}

/** How many of these pairs a model runs within a second or a few. */
function quickPairs(architecture: Architecture, pairs: readonly TokenPair[]): number {
  const { layer, unembedding } = modelCost(architecture);
  const tokens = pairs.reduce((sum, { clean }) => sum + clean.length, 0) / pairs.length;
  return Math.max(FEWEST, Math.floor(QUICK / (tokens * architecture.nLayers * layer + unembedding)));
}
