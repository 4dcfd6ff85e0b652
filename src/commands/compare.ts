/** `compare`: methods that rank directions, on the same pairs, at the same sizes, under the same replacement rule. */
import { existsSync } from 'node:fs';
import { InputError } from '../errors.js';
import { denominatorOf, isToldFromZero } from '../evaluate/faithfulness.js';
import { evenly } from '../evaluate/some-pairs.js';
import type { Comparison, Method } from '../evidence/compare-file.js';
import { type Cost, counted, METHOD_TEXT, ordersOf, type Scored } from '../evidence/methods.js';
import {
  attribution,
  conductance,
  greedy,
  headsOf,
  integrated,
  patching,
  type RankedOn,
  randomScores,
  scoreOf,
  sumsOver,
} from '../evidence/rank-directions.js';
import { SizeCurves } from '../evidence/size-curves.js';
import { writeJson, writeText } from '../formats/atomic-file.js';
import type { RunFolder } from '../formats/run-folder.js';
import type { TokenPair } from '../formats/token-pairs.js';
import { MaskLayout } from '../forward/layout.js';
import { MaskedModel } from '../forward/masked-model.js';
import { sparseAttention } from '../interpret/sparse-attention.js';
import { trainMasks } from '../masks/train.js';
import type { Kind } from '../models/components.js';
import type { Model } from '../models/weights.js';
import type { Listener } from '../progress.js';
import { comparePage } from '../report/compare-page.js';
import { checkRank } from '../run/basis.js';
import { begin, checkedData } from '../run/begin.js';
import type { RunData } from '../run/data.js';
import { checkedKinds } from '../run/decomposition.js';
import { loadMasks } from '../run/masks.js';
import { outFolder } from '../run/out-folder.js';
import { concluding } from '../run/session.js';
import { checkModel, sourceOf } from '../run/source.js';
import { withSubject } from '../run/subject.js';
import { trainOn } from '../run/training.js';
import { openWorkbench, type Workbench, workload } from '../run/workbench.js';
import { type LossKind, RANKING_METHODS, type RankingMethod } from '../settings/choices.js';
import { COMMANDS, type Given, type Settings } from '../settings/commands.js';
import { complete, settingsOf } from '../settings/complete.js';
import { PRESETS, type TrainSettings } from '../settings/train-settings.js';
import { mean } from '../statistics/summary.js';
import { SPLITS } from '../tasks/splits.js';

export interface CompareOutcome {
  run: RunFolder;
  comparison: Comparison;
  /** Path of the page. */
  report: string;
}

/** What methods rank with. */
interface Ranking {
  bench: Workbench;
  /** Pairs that directions are ranked on, and that cuts are measured on. */
  shown: readonly TokenPair[];
  tested: readonly TokenPair[];
  data: RunData;
  /** The run that brought learned masks, if one did. */
  run: RunFolder | null;
  pairs: RankedOn;
  /** Of those, what greedy pruning measures on. */
  few: RankedOn;
  score: LossKind;
  heads: number[][];
  settings: Settings<'compare'>;
  listener: Listener;
}

/** Up to so many directions greedy pruning is done unasked. */
const SMALL = 1000;
/** Share of what is left that greedy pruning takes away in a round. */
const PRUNED = 0.3;

/**
 * Ranks all directions by each method, and measures what circuits of each size keep.
 * @example
 * const { comparison } = await compare({ run: 'runs/ioi', methods: ['learned', 'attribution'] });
 * for (const { id, cmd } of comparison.methods) console.log(id, cmd?.value);
 */
export async function compare(given: Given<'compare'>, listener: Listener = {}): Promise<CompareOutcome> {
  const { model, run } = await sourceOf(given.run, given.model);
  if (run?.manifest.command === 'evaluate')
    throw new InputError(`${run.path}: was only evaluated; name the run that trained its masks`);
  if (run && (given.task != null || given.data != null))
    throw new InputError(`${run.path}: brings its own prompts; name its model to compare on others`);
  const settings = complete('compare', given, run ? settingsOf(COMMANDS.compare, run.manifest) : {});
  const out = outFolder(settings, 'runs', `compare-${settings.task ?? settings.data ?? 'pairs'}`, listener);
  return withSubject(model, { ...settings, ...listener }, async (subject) => {
    await checkModel(subject.model, run);
    const data = await checkedData(subject, settings, SPLITS, listener);
    const { components, batchSize } = settings;
    const beginning = {
      command: 'compare' as const,
      settings,
      data,
      components,
      batchSize,
      out,
      resume: false,
    };
    const ids = chosenMethods(settings, checkedKinds(subject.model, components), subject.model);
    const { session, bench } = await begin(subject, beginning, listener);
    let open: Workbench | null = bench;
    return concluding(session, async () => {
      const some = (split: 'train' | 'test', most: number) => {
        const pairs = data.splits[split]!;
        return pairs.length <= most ? pairs : evenly(pairs, most);
      };
      const shown = some('train', settings.rankPairs);
      const tested = some('test', settings.cutPairs);
      const given = { data, run, shown, tested, score: scoreOf(shown), settings, listener };
      const ranking = await rankingOn(bench, given);
      const learned = await learnedMasks(ranking);
      const masked = await measured(
        ranking,
        ids.filter((id) => id !== 'learned_neurons'),
        learned,
        learned.size,
      );
      const { none, denominator } = masked;
      let { methods } = masked;
      const directions = bench.runner.layout.size;
      if (ids.includes('learned_neurons')) {
        // One after the other: two models do not fit where one does.
        await bench.runner.close();
        open = null;
        const options = { ...settings, basis: 'coordinates', estimatedOn: data.splits.train } as const;
        open = await openWorkbench(subject, workload(data, batchSize), { ...options, ...listener });
        const neurons = await rankingOn(open, { ...given, settings: { ...settings, basis: 'coordinates' } });
        const own = await trained(neurons, neurons.settings);
        methods = [...methods, ...(await measured(neurons, ['learned_neurons'], own, learned.size)).methods];
      }
      const place = ({ id }: Method) => RANKING_METHODS.indexOf(id);
      methods.sort((a, b) => place(a) - place(b));
      const { id, hash } = session.manifest.model;
      const { replacement, seed, level, resamples } = settings;
      const about = (split: 'train' | 'test', pairs: number) => {
        const { source, hash } = data.described[split]!;
        return { source: `${source}, ${split}`, hash, pairs };
      };
      const comparison: Comparison = {
        schema_version: 1,
        measured: {
          model: { id, hash },
          weight_form: subject.model.form,
          positions: settings.positions,
          basis: settings.basis,
          ...{ replacement, seed, level, resamples, score: ranking.score },
          ranked_on: about('train', shown.length),
          tested_on: about('test', tested.length),
        },
        directions,
        own_size: learned.size,
        full: mean(none.full_logit_diff),
        empty: mean(none.logit_diff),
        near_zero: denominator && denominator.near_zero / tested.length,
        methods,
      };
      await writeJson(session.file('compare.json'), comparison);
      await writeText(session.file('compare.html'), comparePage(comparison));
      return { run: session, comparison, report: session.file('compare.html') };
    }).finally(() => open?.runner.close());
  });
}

/** @throws InputError if a method that is asked for cannot rank these directions */
function chosenMethods(
  { methods, basis, rank }: Settings<'compare'>,
  kinds: readonly Kind[],
  { architecture, qkSplit }: Model,
): RankingMethod[] {
  const scoresAlone = kinds.every((kind) => kind === 'qk');
  if (methods?.includes('sparse_attention') && !scoresAlone)
    throw new InputError('--methods sparse_attention: it ranks QK directions alone; add --components qk');
  if (methods?.includes('learned_neurons')) {
    if (basis === 'coordinates')
      throw new InputError('--methods learned_neurons: with --basis coordinates, learned is that');
    checkRank({ basis: 'coordinates', rank });
  }
  const { size } = new MaskLayout(architecture, kinds, qkSplit);
  const usual = RANKING_METHODS.filter((id) => {
    if (id === 'greedy') return size <= SMALL;
    if (id === 'sparse_attention') return scoresAlone;
    return id !== 'learned_robust' && id !== 'learned_neurons' && id !== 'patching';
  });
  return RANKING_METHODS.filter((id) => (methods ?? usual).includes(id));
}

type RankedFor = Omit<Ranking, 'bench' | 'pairs' | 'few' | 'heads'>;

async function rankingOn(bench: Workbench, given: RankedFor): Promise<Ranking> {
  const { shown, settings, listener } = given;
  const { replacement, seed, greedyPairs } = settings;
  const prepare = (pairs: readonly TokenPair[]) =>
    bench.runner.prepare(pairs, { replacement, seed, ...listener });
  const [pairs, few] = [await prepare(shown), await prepare(shown.slice(0, greedyPairs))];
  return { ...given, bench, pairs, few, heads: headsOf(bench.runner.layout) };
}

/** Ranks by each method and measures all cuts. */
async function measured(ranking: Ranking, ids: readonly RankingMethod[], learned: Learned, ownSize: number) {
  const { bench, tested, settings, heads, listener } = ranking;
  const { replacement, seed, level, resamples } = settings;
  const scored: Scored[] = [];
  for (const id of ids) scored.push(await scoresBy(id, ranking, learned, scored));
  const { size: directions } = bench.runner.layout;
  const cuts = await bench.runner.prepare(tested, { replacement, seed, ...listener });
  const none = await cuts.score(new Float32Array(directions));
  const denominator = denominatorOf({ ...none, none_logit_diff: none.logit_diff }, settings);
  const curves = new SizeCurves(
    cuts,
    { directions, ownSize, level, resamples, seed },
    none,
    isToldFromZero(denominator),
  );
  const methods: Method[] = [];
  for (const each of scored)
    for (const { ranking: name, orders } of ordersOf(each, heads)) {
      const { title, unit } = METHOD_TEXT[each.id];
      const curve = await curves.measure(orders, 'cut', listener);
      methods.push({ id: each.id, title, ranking: name, unit, ...curve, ...each.cost });
    }
  return { methods, none, denominator };
}

/** The run's schedule as the preset `robust` has it; where the run's own is not the default's, it stays. */
function againstAdversary(own: TrainSettings): TrainSettings {
  const changes = Object.entries(PRESETS.robust).filter(
    ([key]) => own[key as keyof TrainSettings] === PRESETS.default[key as keyof TrainSettings],
  );
  return { ...own, ...Object.fromEntries(changes) };
}

interface Learned {
  /** Higher is kept longer, [directions]: what was kept, then by soft mask. */
  scores: Float32Array;
  soft: Float32Array;
  /** Directions that were kept. */
  size: number;
  cost: Cost;
}

/** The run's masks, or masks that are trained here. */
async function learnedMasks(ranking: Ranking): Promise<Learned> {
  const { run, bench, settings } = ranking;
  if (!run) return trained(ranking, settings);
  const read = async (file: string) => {
    const { values, masked } = await loadMasks(file, bench.subject.model, settings);
    if (masked.length !== bench.runner.layout.components.length)
      throw new InputError(`${file}: has no masks for some components; train all of them to compare`);
    return values;
  };
  const masks = await read(run.file('masks.safetensors'));
  const before = run.file('checkpoints/soft.safetensors');
  const soft = existsSync(before) ? await read(before) : masks;
  const cost = { seconds: run.manifest.seconds.train ?? 0, forwards: 0, gradients: 0 };
  const { train, validation } = ranking.data.splits;
  for (const line of await run.readHistory())
    if (line.validation) cost.forwards += validation!.length;
    else cost.gradients += Math.min(settings.batchSize, train!.length);
  return ordered(masks, soft, settings.threshold, cost);
}

async function trained(
  { bench, data, settings, listener }: Ranking,
  training: TrainSettings,
): Promise<Learned> {
  const started = performance.now();
  const cost = { seconds: 0, forwards: 0, gradients: 0 };
  const { masks, soft } = await trainOn(
    bench,
    data.splits,
    { ...settings, ...training },
    {
      ...listener,
      onHistory: ({ validation }) => {
        if (validation) cost.forwards += data.splits.validation!.length;
        else cost.gradients += Math.min(training.batchSize, data.splits.train!.length);
      },
    },
  );
  cost.seconds = (performance.now() - started) / 1000;
  return ordered(masks, soft, settings.threshold, cost);
}

function ordered(masks: Float32Array, soft: Float32Array, threshold: number, cost: Cost): Learned {
  const kept = masks.map((mask) => Number(mask > threshold));
  const size = kept.reduce((sum, mask) => sum + mask, 0);
  return { scores: kept.map((mask, at) => mask + soft[at]! / 2), soft, size, cost };
}

/** @param before what other methods found already */
async function scoresBy(
  id: RankingMethod,
  ranking: Ranking,
  learned: Learned,
  before: readonly Scored[],
): Promise<Scored> {
  const { bench, score, heads, settings, listener } = ranking;
  const { size: directions } = bench.runner.layout;
  const cost: Cost = { seconds: 0, forwards: 0, gradients: 0 };
  const pairs = counted(ranking.pairs, cost);
  const started = performance.now();
  const done = (scores: readonly ArrayLike<number>[], more: Partial<Scored> = {}): Scored => {
    cost.seconds = (performance.now() - started) / 1000;
    return { id, scores, cost, ...more };
  };
  const singles = () => Array.from({ length: directions }, (_, at) => [at]);
  /** Equal masks are told apart by |gradient × mask|. */
  const withTies = async ({ scores, soft, cost }: Learned): Promise<Scored> => {
    const all = Array.from({ length: pairs.length }, (_, index) => index);
    const { gradient } = await ranking.pairs.objective(all, soft, 'kl');
    return { id, scores: [scores], ties: gradient.map((slope, at) => Math.abs(slope * soft[at]!)), cost };
  };
  switch (id) {
    case 'learned':
    case 'learned_neurons':
      return withTies(learned);
    case 'learned_robust':
      return withTies(await trained(ranking, againstAdversary(settings)));
    case 'learned_heads':
      return done([await learnedHeads(ranking, cost)]);
    case 'attribution':
      return done([await attribution(pairs, directions, score)]);
    case 'attribution_heads': {
      const known = before.find((one) => one.id === 'attribution')?.scores[0] as Float32Array | undefined;
      return done([sumsOver(heads, known ?? (await attribution(pairs, directions, score)))]);
    }
    case 'integrated':
      return done([await integrated(pairs, directions, score, settings.points, listener)]);
    case 'conductance':
      return done([await conductance(pairs, score, settings.points, listener)]);
    case 'patching':
      return done([await patching(pairs, directions, singles(), score, listener)]);
    case 'patching_heads':
      return done([await patching(pairs, directions, heads, score, listener)]);
    case 'greedy':
      return done([await greedy(counted(ranking.few, cost), directions, PRUNED, listener)]);
    case 'sparse_attention': {
      const { subject, engine, decomposition } = bench;
      const masking = { kinds: ['qk'], positions: settings.positions, ...listener } as const;
      const running = await MaskedModel.load(engine, subject.model, decomposition, masking);
      const apart = { model: subject.model, decomposition, running };
      const prompts = ranking.shown.map(({ clean }) => clean);
      cost.forwards += prompts.length;
      return sparseAttention(apart, prompts, listener)
        .then(({ shares, parts }) => done([shares], { ties: parts }))
        .finally(() => running.dispose());
    }
    case 'sigma':
      return done([bench.runner.sigma]);
    case 'difference':
      return done([await pairs.differences(listener)]);
    case 'random':
      return done(
        Array.from({ length: settings.randomDraws }, (_, draw) =>
          randomScores(directions, settings.seed, draw),
        ),
      );
  }
}

/** Training with one mask for all of a head's directions, or of an MLP's. @returns one a head */
async function learnedHeads(
  { bench, data, heads, settings, listener }: Ranking,
  cost: Cost,
): Promise<Float32Array> {
  const { replacement, seed } = settings;
  const { size } = bench.runner.layout;
  const prepare = async (split: 'train' | 'validation') =>
    counted(await bench.runner.prepare(data.splits[split]!, { replacement, seed, ...listener }), cost);
  const [train, validation] = [await prepare('train'), await prepare('validation')];
  const spread = (masks: Float32Array) => {
    const all = new Float32Array(size);
    for (const [at, head] of heads.entries()) for (const place of head) all[place] = masks[at]!;
    return all;
  };
  const { masks, soft } = await trainMasks(
    {
      directions: heads.length,
      pairs: train.length,
      evaluate: async (indices, masks) => {
        const { gradient, ...found } = await train.objective(indices, spread(masks), settings.loss);
        return { ...found, gradient: Float32Array.from(sumsOver(heads, gradient)) };
      },
      validate: (masks) => validation.kl(spread(masks), listener),
    },
    settings,
    seed,
    listener,
  );
  return ordered(masks, soft, settings.threshold, cost).scores;
}
