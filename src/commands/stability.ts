/** `stability`: what the circuits of several runs have in common, in directions, in spaces and in what they do. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { InputError } from '../errors.js';
import { binarised } from '../evaluate/circuit-size.js';
import { denominatorOf } from '../evaluate/faithfulness.js';
import type { PromptScores } from '../evaluate/prompt-scores.js';
import { evenly } from '../evaluate/some-pairs.js';
import { type MeasuredSet, setOf } from '../evidence/measured-set.js';
import type { OnPrompts, Stability } from '../evidence/stability-file.js';
import { type StableSets, stableSets } from '../evidence/stable-sets.js';
import { type KeptVectors, sharedSpaces } from '../evidence/subspaces.js';
import { writeJson } from '../formats/atomic-file.js';
import { hashFile } from '../formats/file-hash.js';
import { makeFolder } from '../formats/make-folder.js';
import { modelName } from '../formats/manifest.js';
import { openRun, type RunFolder } from '../formats/run-folder.js';
import type { TokenPair } from '../formats/token-pairs.js';
import { listComponents } from '../models/components.js';
import type { Listener } from '../progress.js';
import { Random } from '../random.js';
import { basisNameOf } from '../run/basis.js';
import type { RunnablePairs } from '../run/mask-runner.js';
import { type LoadedMasks, loadMasks } from '../run/masks.js';
import { outFolder } from '../run/out-folder.js';
import { ownData } from '../run/own-data.js';
import { ownSettings } from '../run/own-settings.js';
import { checkModel, sourceOf } from '../run/source.js';
import { type Subject, withSubject } from '../run/subject.js';
import { openWorkbench, type Workbench } from '../run/workbench.js';
import type { Given, Settings } from '../settings/commands.js';
import { complete } from '../settings/complete.js';
import { sufficiency } from '../statistics/against-random.js';
import { mean } from '../statistics/summary.js';
import { SweepFolder } from '../sweep/sweep-folder.js';

export interface StabilityOutcome {
  stability: Stability;
  /** Path of `stability.json`. */
  file: string;
}

/** A run with its circuit and its prompts. */
interface Member {
  run: RunFolder;
  own: Settings<'evaluate'>;
  masks: LoadedMasks;
  basis: string;
  /** 1 for directions of the circuit, else 0; in the layout of its masks. */
  circuit: Float32Array;
  source: string;
  hash: string;
  test: readonly TokenPair[];
  train: readonly TokenPair[] | undefined;
}

/**
 * Compares the circuits of runs on one model: which directions all of them keep, what those do alone, what each circuit
 * does on the others' prompts, and how much of the spaces that they keep is shared.
 * @example
 * const { stability } = await stability({ runs: ['runs/seed-0', 'runs/seed-1', 'runs/seed-2'] });
 * console.log(stability.sets?.core, stability.on[0].core?.kl);
 */
export async function stability(
  given: Given<'stability'>,
  listener: Listener = {},
): Promise<StabilityOutcome> {
  const started = performance.now();
  const settings = complete('stability', given);
  const runs = await runsIn(settings.runs);
  if (runs.length < 2)
    throw new InputError(`${settings.runs.join(', ')}: is one run; name at least two, or a sweep`);
  const { model } = await sourceOf(runs[0]!.path, settings.model);
  const { engine, workers, store, memory, setPairs, draws, seed } = settings;
  const machine = { engine, workers, store, memory };
  const first = complete('evaluate', { run: runs[0]!.path, ...machine }, ownSettings(runs[0]!));
  const out = outFolder(settings, 'runs', 'stability', listener);
  return withSubject(model ?? modelName(runs[0]!.manifest), { ...first, ...listener }, async (subject) => {
    const members: Member[] = [];
    for (const run of runs) {
      const own = complete('evaluate', { run: run.path, ...machine }, ownSettings(run));
      checkAlike(run, own, runs[0]!, first);
      members.push(await memberOf(run, own, subject, members[0], listener));
    }
    const prompts = new Map(members.map((member) => [member.hash, member]));
    const bases = new Set(members.map(({ basis }) => basis));
    const found = new Map<string, Measured>();
    const kept: KeptVectors[] = [];
    let sets: StableSets | null = null;
    let names: (at: number) => string = String;
    for (const basis of bases) {
      const group = members.filter((member) => member.basis === basis);
      await onBench(group[0]!, [...prompts.values()], subject, listener, async (bench) => {
        const { size } = bench.runner.layout;
        if (bases.size === 1) {
          sets = stableSets(
            members.map(({ circuit }) => circuit),
            settings.noise,
          );
          names = (at) => directionAt(bench, at);
        }
        for (const { hash, test } of prompts.values()) {
          const some = test.length <= setPairs ? test : evenly(test, setPairs);
          const pairs = await bench.runner.prepare(some, { ...first, ...listener });
          const measured = found.get(hash) ?? (await measuredOn(pairs, size, first, listener));
          found.set(hash, measured);
          const set = (masks: Float32Array) => measured.set(pairs, masks, listener);
          for (const member of group) measured.circuits.set(member, await set(member.circuit));
          if (sets) await measureSets(measured, sets, members, size, { draws, seed }, set);
        }
        for (const member of group) kept[members.indexOf(member)] = await keptVectors(bench, member);
      });
    }
    const result: Stability = {
      schema_version: 1,
      measured: {
        model: { id: subject.source.id, hash: await subject.model.hash() },
        weight_form: subject.model.form,
        positions: first.positions,
        replacement: first.replacement,
        seed,
        level: first.level,
        resamples: first.resamples,
      },
      runs: await Promise.all(members.map(describe)),
      sets: sets && described(sets, members.length, settings.noise, names),
      on: [...prompts.values()].map(({ source, hash }): OnPrompts => {
        const { circuits, figures, full, nothing, n } = found.get(hash)!;
        return {
          ...{ source, hash, prompts: n, full, nothing },
          circuits: members.map((member) => circuits.get(member)!),
          ...figures,
        };
      }),
      spaces: spacesOf(kept, subject),
      seconds: (performance.now() - started) / 1000,
    };
    const file = join(out, 'stability.json');
    await makeFolder(out);
    await writeJson(file, result);
    return { stability: result, file };
  });
}

/** Runs, and those of sweeps. @throws InputError if there is no run */
async function runsIn(paths: readonly string[]): Promise<RunFolder[]> {
  const runs: RunFolder[] = [];
  for (const path of paths) {
    if (existsSync(join(path, 'manifest.json'))) {
      runs.push(await openRun(path));
      continue;
    }
    const folder = new SweepFolder(path);
    folder.mustExist();
    for (const id of await folder.ids())
      if ((await folder.status(id)) === 'complete') runs.push(await openRun(folder.run(id)));
  }
  return runs;
}

/** What runs must have in common, as they are asked for. */
const ALIKE = ['form', 'qkSplit', 'rotaryOffsets', 'bos', 'positions', 'replacement'] as const;

function checkAlike(
  run: RunFolder,
  own: Settings<'evaluate'>,
  first: RunFolder,
  before: Settings<'evaluate'>,
): void {
  for (const key of ALIKE)
    if (own[key] !== before[key])
      throw new InputError(
        `${run.path}: was made with ${key} ${own[key]}, ${first.path} with ${before[key]}; compare runs that differ in prompts, seeds, prices or bases`,
      );
}

async function memberOf(
  run: RunFolder,
  own: Settings<'evaluate'>,
  subject: Subject,
  first: Member | undefined,
  listener: Listener,
): Promise<Member> {
  await checkModel(subject.model, run);
  const masks = await loadMasks(own.masks!, subject.model, own);
  if (first && masks.kinds.join() !== first.masks.kinds.join())
    throw new InputError(
      `${run.path}: masks ${masks.kinds.join(', ')}, ${first.run.path} ${first.masks.kinds.join(', ')}; compare runs of the same --components`,
    );
  const { data, split } = await ownData(run, subject, own, masks.kinds, listener);
  const { source, hash } = data.described[split]!;
  const train = data.splits.train;
  return {
    run,
    own,
    masks,
    basis: masks.basisName ?? (await basisNameOf(own, { pairs: train, positions: own.positions })),
    circuit: binarised(masks.values, own.threshold),
    ...{ source, hash, test: data.splits[split]!, train },
  };
}

async function onBench(
  { own, masks, train }: Member,
  prompts: readonly Member[],
  subject: Subject,
  listener: Listener,
  work: (bench: Workbench) => Promise<void>,
): Promise<void> {
  const { kinds: components, basisName } = masks;
  const lengths = prompts.flatMap(({ test }) => test.map(({ clean }) => clean.length));
  const bench = await openWorkbench(
    subject,
    { lengths, batchSize: 0 },
    { ...own, components, basisName, estimatedOn: train, ...listener },
  );
  try {
    await work(bench);
  } finally {
    await bench.runner.close();
  }
}

/** What was measured on the prompts of a run. */
interface Measured {
  n: number;
  full: number | null;
  nothing: MeasuredSet;
  circuits: Map<Member, MeasuredSet>;
  figures: Pick<OnPrompts, 'own_parts' | 'core' | 'core_and_contingent' | 'union' | 'random'>;
  set(pairs: RunnablePairs, masks: Float32Array, listener: Listener): Promise<MeasuredSet>;
}

async function measuredOn(
  pairs: RunnablePairs,
  directions: number,
  settings: Settings<'evaluate'>,
  listener: Listener,
): Promise<Measured> {
  const nothing = new Float32Array(directions);
  const none = await pairs.score(nothing, { signal: listener.signal });
  const denominator = denominatorOf({ ...none, none_logit_diff: none.logit_diff }, settings);
  const figuresOf = (masks: Float32Array, scores: PromptScores) =>
    setOf(masks, scores, none, denominator, settings);
  return {
    n: pairs.length,
    full: mean(none.full_logit_diff),
    nothing: figuresOf(nothing, none),
    circuits: new Map(),
    figures: { own_parts: null, core: null, core_and_contingent: null, union: null, random: null },
    set: async (own, masks, { signal }) => figuresOf(masks, await own.score(masks, { signal })),
  };
}

async function measureSets(
  measured: Measured,
  sets: StableSets,
  members: readonly Member[],
  directions: number,
  { draws, seed }: { draws: number; seed: number },
  set: (masks: Float32Array) => Promise<MeasuredSet>,
): Promise<void> {
  const keeping = (places: readonly number[]) => {
    const masks = new Float32Array(directions);
    for (const at of places) masks[at] = 1;
    return masks;
  };
  const core = new Set(sets.core);
  const own_parts: MeasuredSet[] = [];
  for (const { circuit } of members)
    own_parts.push(await set(circuit.map((mask, at) => (core.has(at) ? 0 : mask))));
  const alone = await set(keeping(sets.core));
  const all = Array.from({ length: directions }, (_, at) => at);
  const kl: number[] = [];
  for (let draw = 0; draw < draws; draw++) {
    const random = new Random(seed).fork(`core ${draw}`);
    kl.push((await set(keeping(random.sample(all, sets.core.length)))).kl);
  }
  measured.figures = {
    own_parts,
    core: alone,
    core_and_contingent: await set(keeping([...sets.core, ...sets.contingent])),
    union: await set(keeping(sets.union)),
    random: sets.core.length === 0 ? null : { kl, ...sufficiency(alone.kl, kl) },
  };
}

/** What a circuit's directions write; of QK, what they read. */
async function keptVectors({ decomposition, runner }: Workbench, { circuit }: Member): Promise<KeptVectors> {
  const kept = new Map<string, ArrayLike<number>[]>();
  for (const component of runner.layout.components) {
    const { start, length } = runner.layout.of(component);
    const own = [...circuit.subarray(start, start + length).keys()].filter((k) => circuit[start + k]! > 0);
    const found =
      own.length > 0
        ? (await decomposition.layer(component.layer, [component.name])).get(component.name)
        : undefined;
    if (!found) continue;
    const { u, vt } = found;
    const { kind, rank, rows, cols } = found.component;
    kept.set(
      component.name,
      own.map((k) =>
        kind === 'qk'
          ? Float64Array.from({ length: rows }, (_, r) => u[r * rank + k]!)
          : vt.subarray(k * cols, (k + 1) * cols),
      ),
    );
  }
  return kept;
}

function spacesOf(kept: readonly KeptVectors[], { model }: Subject): Stability['spaces'] {
  const ranks = new Map(
    listComponents(model.architecture, undefined, model.qkSplit).map(({ name, rank }) => [name, rank]),
  );
  return kept.flatMap((one, first) =>
    kept.slice(first + 1).map((other, at) => ({
      first,
      second: first + 1 + at,
      ...sharedSpaces(one, other, (name) => ranks.get(name)!),
    })),
  );
}

function directionAt({ runner: { layout } }: Workbench, place: number): string {
  const component = layout.components.findLast((one) => layout.of(one).start <= place)!;
  return `${component.name}.${place - layout.of(component).start}`;
}

function described(
  { counts, core, contingent, noise }: StableSets,
  runs: number,
  share: number,
  name: (at: number) => string,
): Stability['sets'] {
  const counted = (places: readonly number[]) =>
    places.map((at) => ({ direction: name(at), runs: counts[at]! }));
  return {
    noise_up_to: Math.max(1, Math.floor(share * runs)),
    core: core.map(name),
    contingent: counted(contingent),
    noise: counted(noise),
  };
}

async function describe({
  run,
  own,
  basis,
  circuit,
  source,
  hash,
}: Member): Promise<Stability['runs'][number]> {
  return {
    path: run.path,
    ...{ source, hash, masks: await hashFile(own.masks!), basis, threshold: own.threshold },
    kept: circuit.reduce((sum, mask) => sum + mask, 0),
    directions: circuit.length,
  };
}
