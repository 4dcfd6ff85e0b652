/**
 * Controls on some of the pairs against controls on all: `node dist/bench/control-pairs.js [--run FOLDER] [--pairs 1000]
 * [--control-pairs 200] [--control-seeds 5] [--engine wasm] [--rounds 1] [--json]`, after `npm run build`.
 *
 * The circuit is that of a run on generated prompts (its model is found where the run found it), or of the embedded
 * model and IOI, trained first. Both ways take turns. What is not a control must be the same to the last bit, and
 * controls on some pairs must be the means over these pairs of what they were on all. Then for each control: KL on all
 * pairs; how much KL on some differs from it for the pairs that an evaluation takes, and by its standard deviation over
 * 1,000 other choices of them; and that deviation as a share of the gap between control and circuit. Faithfulness
 * likewise. Seconds are the processor's, over all threads.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { run } from '../src/commands/run.js';
import { type EngineChoice, openEngine } from '../src/engine/engine.js';
import { CONTROLS, type ControlName } from '../src/evaluate/controls.js';
import { evaluateMasks, type PairScorer, scorerOf } from '../src/evaluate/evaluate.js';
import type { PromptScores } from '../src/evaluate/prompt-scores.js';
import { oneOfEachPart } from '../src/evaluate/some-pairs.js';
import { MaskedModel } from '../src/forward/masked-model.js';
import { PreparedPairs } from '../src/pairs/prepared-pairs.js';
import { Random } from '../src/random.js';
import { loadData } from '../src/run/data.js';
import { decomposeSubject } from '../src/run/decomposition.js';
import { loadMasks } from '../src/run/masks.js';
import { ownSettings } from '../src/run/own-settings.js';
import { sourceOf } from '../src/run/source.js';
import { withSubject } from '../src/run/subject.js';
import { complete } from '../src/settings/complete.js';
import { mean, standardDeviation } from '../src/statistics/summary.js';
import { describeEngine, processorFeatures } from './processor.js';

const { values: options } = parseArgs({
  options: {
    run: { type: 'string' },
    pairs: { type: 'string', default: '1000' },
    'control-pairs': { type: 'string', default: '200' },
    'control-seeds': { type: 'string', default: '5' },
    engine: { type: 'string', default: 'wasm' },
    rounds: { type: 'string', default: '1' },
    json: { type: 'boolean', default: false },
  },
});

/** Choices of the pairs that are tried. */
const CHOICES = 1000;
/** KL and faithfulness of the same pairs in other batches. */
const SAME = 1e-4;

const engine = await openEngine({ engine: options.engine as EngineChoice });
const scratch = mkdtempSync(join(tmpdir(), 'orthoscope-bench-'));
try {
  const folder = options.run ?? join(scratch, 'run');
  if (!options.run) {
    const quick = { controlSeeds: 0, attack: 0, pagePrompts: 0, testPairs: 1 };
    await run({ task: 'ioi', ...quick, engine: engine.name, out: folder });
  }
  const { model: place, run: opened } = await sourceOf(folder, null);
  const most = Number(options['control-pairs']);
  const settings = complete(
    'evaluate',
    {
      ...{ run: folder, testPairs: Number(options.pairs), controlPairs: most },
      controlSeeds: Number(options['control-seeds']),
    },
    ownSettings(opened!),
  );
  await withSubject(place, settings, async (subject) => {
    const { splits } = await loadData(subject, settings, ['test']);
    const { kinds, values, masked } = await loadMasks(settings.masks!, subject.model, settings);
    const decomposition = await decomposeSubject(subject, { ...settings, components: kinds });
    const { positions } = settings;
    const model = await MaskedModel.load(engine, subject.model, decomposition, { kinds, positions });
    const prepared = await PreparedPairs.prepare(model, splits.test!, settings);
    const seen: PromptScores[] = [];
    const ways: Record<string, { scorer: PairScorer; controlPairs: number }> = {
      'on all pairs': { scorer: recording({ ...scorerOf(prepared), masked }, seen), controlPairs: Infinity },
      [`on ${most}`]: { scorer: { ...scorerOf(prepared), masked }, controlPairs: most },
    };
    const seconds = new Map(Object.keys(ways).map((name): [string, number[]] => [name, []]));
    const found: Awaited<ReturnType<typeof evaluateMasks>>[] = [];
    for (let round = 0; round < Number(options.rounds); round++)
      for (const [name, { scorer, controlPairs }] of Object.entries(ways)) {
        const before = process.cpuUsage();
        found.push(await evaluateMasks(scorer, values, { ...settings, controlPairs }));
        const { user, system } = process.cpuUsage(before);
        seconds.get(name)!.push((user + system) / 1e6);
      }
    model.dispose();
    report(found, seen, seconds, { most, pairs: prepared.length, seed: settings.seed });
  });
} finally {
  rmSync(scratch, { recursive: true, force: true });
}

/** Keeps what the first call found. */
function recording(scorer: PairScorer, seen: PromptScores[]): PairScorer {
  return {
    ...scorer,
    scoreEach: async (all, call) => {
      const scores = await scorer.scoreEach(all, call);
      if (seen.length === 0) seen.push(...scores);
      return scores;
    },
  };
}

function report(
  found: Awaited<ReturnType<typeof evaluateMasks>>[],
  seen: readonly PromptScores[],
  seconds: ReadonlyMap<string, number[]>,
  { most, pairs, seed }: { most: number; pairs: number; seed: number },
): void {
  const [all, some] = [found[0]!, found[1]!];
  const { controls: _, ...own } = all;
  for (const { controls: __, ...others } of found)
    if (JSON.stringify(others) !== JSON.stringify(own)) throw new Error('what is not a control differs');
  const none = seen[0]!;
  // Own vectors come first, whatever their number.
  const scored = CONTROLS.filter(({ key }) => key !== 'all_off');
  const drawsOf = (key: ControlName) => all.controls![key].seeds ?? 1;
  let end = seen.length - scored.reduce((sum, { key }) => sum + drawsOf(key), 0);
  const taken = oneOfEachPart(pairs, most, new Random(seed).fork('control pairs'));
  const random = new Random(1);
  const choices = Array.from({ length: CHOICES }, () => oneOfEachPart(pairs, most, random));
  const rows = CONTROLS.map(({ key, title }) => {
    const from = end;
    if (key !== 'all_off') end += drawsOf(key);
    const draws = key === 'all_off' ? [none] : seen.slice(from, end);
    const over = (chosen: readonly number[], of: (index: number) => number) => mean(chosen.map(of))!;
    const kl = (chosen: readonly number[]) => over(chosen, (i) => mean(draws.map((draw) => draw.kl[i]!))!);
    const faithful = (chosen: readonly number[]) => {
      const least = over(chosen, (i) => none.logit_diff[i]!);
      const full = over(chosen, (i) => none.full_logit_diff[i]!);
      return (over(chosen, (i) => mean(draws.map((draw) => draw.logit_diff[i]!))!) - least) / (full - least);
    };
    const figure = (of: typeof kl, name: 'kl' | 'faithfulness') => {
      const [whole, part] = [all.controls![key][name]!, some.controls![key][name]!];
      if (Math.abs(of([...none.kl.keys()]) - whole) > SAME || Math.abs(of(taken) - part) > SAME)
        throw new Error(`${key}: ${name} ${whole}, ${part} is not the mean over its pairs`);
      const error = standardDeviation(choices.map(of))!;
      return { all: whole, some: part, error, ofGap: error / Math.abs(whole - all.binarised[name]!) };
    };
    return { title, kl: figure(kl, 'kl'), faithfulness: figure(faithful, 'faithfulness') };
  });
  const { kl, faithfulness } = all.binarised;
  if (options.json) {
    const times = Object.fromEntries(seconds);
    console.log(
      JSON.stringify({ pairs, most, circuit: { kl, faithfulness }, rows, seconds: times }, null, 2),
    );
    return;
  }
  console.log(
    `${cpus()[0]?.model.trim()} (${processorFeatures()}), ${availableParallelism()} cores, ${describeEngine(engine)}; ` +
      `circuit: KL ${kl!.toFixed(3)}, faithfulness ${faithfulness!.toFixed(3)} on ${pairs} pairs\n`,
  );
  const heads = ['KL', 'faithfulness'].map(
    (name) => `${name} on all | on ${most} | standard error | of the gap`,
  );
  console.log(`| control | ${heads.join(' | ')} |\n|---|${'---|'.repeat(8)}`);
  for (const { title, ...figures } of rows) {
    const cells = [figures.kl, figures.faithfulness].map(
      ({ all, some, error, ofGap }) =>
        `${all.toFixed(3)} | ${some.toFixed(3)} | ${error.toFixed(3)} | ${(100 * ofGap).toFixed(1)} %`,
    );
    console.log(`| ${title} | ${cells.join(' | ')} |`);
  }
  for (const [name, taken] of seconds)
    console.log(`controls ${name}: ${taken.map((one) => one.toFixed(1)).join(', ')} processor seconds`);
}
