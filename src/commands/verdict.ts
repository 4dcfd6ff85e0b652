/** `verdict`: tests a run's circuit, and writes the sheet of what may be claimed of it. */
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { InputError } from '../errors.js';
import { binarised } from '../evaluate/circuit-size.js';
import { noneKept } from '../evaluate/controls.js';
import { readMetrics } from '../evaluate/metrics-file.js';
import { evenly } from '../evaluate/some-pairs.js';
import { type HeadGroups, headGroupsLine, headGroupTests, readHeadGroups } from '../evidence/head-groups.js';
import { judge } from '../evidence/judge.js';
import { foundAgainLine, type OtherTask, shuffledLine } from '../evidence/other-circuits.js';
import { type OutsideGroup, outsideHeads } from '../evidence/outside-heads.js';
import { scoreOf } from '../evidence/rank-directions.js';
import { rivalLine } from '../evidence/rival.js';
import type { TestedCircuit } from '../evidence/tested-circuit.js';
import type { Line, Verdict } from '../evidence/verdict-file.js';
import { writeReport } from '../explorer/write-report.js';
import { writeJson } from '../formats/atomic-file.js';
import { hashFile } from '../formats/file-hash.js';
import { openRun, type RunFolder } from '../formats/run-folder.js';
import type { TokenPair } from '../formats/token-pairs.js';
import type { Listener } from '../progress.js';
import type { RunData } from '../run/data.js';
import { loadMasks, masksFor } from '../run/masks.js';
import { ownData } from '../run/own-data.js';
import { ownSettings, ownTraining } from '../run/own-settings.js';
import { writeShuffled } from '../run/shuffled-model.js';
import { checkModel, sourceOf } from '../run/source.js';
import { type Subject, withSubject } from '../run/subject.js';
import { trainOn } from '../run/training.js';
import { openWorkbench, type Workbench, workload } from '../run/workbench.js';
import type { Given, Settings } from '../settings/commands.js';
import { complete } from '../settings/complete.js';
import { readCircuit } from '../sweep/circuit.js';
import { readResults } from '../sweep/results.js';
import { SweepFolder } from '../sweep/sweep-folder.js';

export interface VerdictOutcome {
  run: RunFolder;
  verdict: Verdict;
  /** Path of `verdict.json`, in the run's folder. */
  file: string;
  /** Path of the report page; null where the run was not evaluated, and has none. */
  report: string | null;
}

/** A run, opened with what it was made of. */
interface Opened {
  run: RunFolder;
  /** Its own, of an evaluation of its masks. */
  own: Settings<'evaluate'>;
  settings: Settings<'verdict'> & { seed: number };
  subject: Subject;
  data: RunData;
  pairs: readonly TokenPair[];
  bench: Workbench;
  circuit: TestedCircuit;
}

/**
 * Tests a run's circuit on the prompts that it was tested on.
 * @example
 * const { verdict } = await verdict({ run: 'runs/ioi', other: 'runs/greater-than' });
 * for (const { title, outcome, claim } of verdict.lines) console.log(title, outcome, claim);
 */
export async function verdict(given: Given<'verdict'>, listener: Listener = {}): Promise<VerdictOutcome> {
  const started = performance.now();
  const { model, run } = await sourceOf(given.run, given.model);
  if (!run)
    throw new InputError(
      `${given.run}: is a model; a verdict is given on a run, which "orthoscope run" makes`,
    );
  const asked = complete('verdict', given);
  const { engine, workers, store, memory } = asked;
  const machine = { engine, workers, store, memory };
  const own = complete('evaluate', { run: run.path, ...machine }, ownSettings(run));
  const settings = { ...asked, seed: asked.seed ?? own.seed };
  return withSubject(model, { ...own, ...listener }, async (subject) => {
    await checkModel(subject.model, run);
    const masks = await loadMasks(own.masks!, subject.model, own);
    const { data, split } = await ownData(run, subject, own, masks.kinds, listener);
    const pairs = data.splits[split]!;
    const { kinds: components, basisName } = masks;
    const options = { ...own, components, basisName, estimatedOn: data.splits.train, ...listener };
    const { batchSize } = settings.rival ? ownTraining(run, subject.model.path) : { batchSize: 0 };
    const bench = await openWorkbench(subject, workload(data, batchSize), options);
    listener.onNote?.(`engine ${bench.engine.name} (${bench.engine.version}): ${bench.engine.reason}`);
    try {
      const how = { replacement: own.replacement, seed: own.seed, ...listener };
      const prompts = await bench.runner.prepare(pairs, how);
      const most = settings.setPairs;
      const some = pairs.length <= most ? prompts : await bench.runner.prepare(evenly(pairs, most), how);
      const circuit: TestedCircuit = {
        layout: bench.runner.layout,
        masked: masks.masked,
        binarised: binarised(masks.values, own.threshold),
        prompts,
        some,
      };
      const opened = { run, own, settings, subject, data, pairs, bench, circuit };
      const metrics = existsSync(run.file('metrics.json'))
        ? await readMetrics(run.file('metrics.json'))
        : null;
      const otherTask = settings.other === null ? null : await otherTaskOf(opened, settings.other);
      const again = settings.sweep === null ? [] : [await foundAgain(opened, settings.sweep)];
      const shuffled = settings.shuffled ? await onShuffled(opened, listener) : null;
      const rival = settings.rival ? await rivalOf(opened, listener) : null;
      const groups = settings.groups === null ? [] : [await groupsOf(opened, settings.groups, listener)];
      const { knockouts: halves } = settings;
      const found = await judge(
        circuit,
        { ...settings, random: halves, heads: halves, ...GREEDY },
        {
          metrics: metrics?.splits[split] ?? null,
          otherTask,
          lines: [...again, ...groups, ...(shuffled ? [shuffled] : []), ...(rival ? [rival] : [])],
        },
        listener,
      );
      const result: Verdict = {
        schema_version: 1,
        measured: await measuredOn(opened, split),
        ...found,
        seconds: (performance.now() - started) / 1000,
      };
      const file = run.file('verdict.json');
      await writeJson(file, result);
      return { run, verdict: result, file, report: metrics && (await writeReport(run.path)) };
    } finally {
      await bench.runner.close();
    }
  });
}

/** Steps of the greedy search for the worst knockout, and members tried in each. */
const GREEDY = { steps: 4, candidates: 6 };

async function otherTaskOf({ run, own, subject, circuit }: Opened, path: string): Promise<OtherTask> {
  const other = await openRun(path);
  await checkModel(subject.model, other);
  if (own.basis === 'principal')
    throw new InputError(
      `--other ${path}: has principal components of its own prompts, which are other directions than those of ${run.path}`,
    );
  if (Object.values(other.manifest.data).some(({ hash }) => hash === run.manifest.data.test?.hash))
    throw new InputError(`--other ${path}: is a run of the same task; name one of another`);
  const masks = await masksFor(other.file('masks.safetensors'), subject.model, own);
  const threshold = Number(other.manifest.settings.threshold ?? own.threshold);
  const { layout } = circuit;
  const theirs = noneKept(circuit);
  const views = layout.split(theirs);
  for (const { name } of circuit.masked) {
    const values = masks.get(name);
    if (!values) throw new InputError(`--other ${path}: has no masks for ${name}, which this run masks`);
    views.get(name)!.set(values.map((mask) => Number(mask > threshold)));
  }
  const score = async (masks: Float32Array) => (await circuit.prompts.score(masks)).kl;
  const places = circuit.masked.flatMap((component) => {
    const { start, length } = layout.of(component);
    return Array.from({ length }, (_, i) => start + i);
  });
  const count = (holds: (at: number) => boolean) => places.filter(holds).length;
  return {
    source: other.manifest.data.test?.source ?? path,
    file: relative(run.path, other.file('masks.safetensors')),
    own: await score(circuit.binarised),
    other: await score(theirs),
    kept: count((at) => circuit.binarised[at]! > 0),
    other_kept: count((at) => theirs[at]! > 0),
    shared: count((at) => circuit.binarised[at]! > 0 && theirs[at]! > 0),
    directions: places.length,
  };
}

async function foundAgain({ run, settings, circuit }: Opened, path: string): Promise<Line> {
  const folder = new SweepFolder(path);
  folder.mustExist();
  const masks = await hashFile(run.file('masks.safetensors'));
  const { manifest } = run;
  const rows = (await readResults([folder])).filter(
    (row) =>
      row.model_hash === manifest.model.hash &&
      row.masks_hash !== masks &&
      row.settings.task === (manifest.settings.task ?? null),
  );
  const { layout, masked, binarised } = circuit;
  let [kept, directions] = [0, 0];
  const own = new Map<string, Float32Array>();
  for (const component of masked) {
    const { start, length } = layout.of(component);
    own.set(component.name, binarised.subarray(start, start + length));
    directions += length;
    kept += binarised.subarray(start, start + length).reduce((sum, mask) => sum + mask, 0);
  }
  const runs: { id: string; kept: number; shared: number }[] = [];
  for (const row of rows) {
    const { active } = await readCircuit(row);
    let [theirs, shared] = [0, 0];
    for (const [name, masks] of own)
      active.get(name)?.forEach((mask, k) => {
        theirs += mask;
        shared += mask * masks[k]!;
      });
    runs.push({ id: row.id, kept: theirs, shared });
  }
  const file = relative(run.path, folder.file('sweep.json'));
  return foundAgainLine(runs, { kept, directions, alpha: settings.alpha, file });
}

async function groupsOf(opened: Opened, path: string, listener: Listener): Promise<Line> {
  const { settings, circuit } = opened;
  const groups = await readHeadGroups(path);
  const tests = headGroupTests(circuit, groups, settings);
  return headGroupsLine(tests, groups, settings, await outsideOf(opened, groups, listener));
}

/** What heads outside the groups do; none where no head's output is masked. */
async function outsideOf(
  { own, settings, pairs, bench, circuit }: Opened,
  groups: HeadGroups,
  listener: Listener,
): Promise<OutsideGroup[]> {
  const heads = new Map<string, number[]>();
  for (const component of circuit.masked) {
    if (component.kind !== 'ov') continue;
    const { start, length } = circuit.layout.of(component);
    heads.set(
      `L${component.layer}H${component.head}`,
      Array.from({ length }, (_, i) => start + i),
    );
  }
  if (heads.size === 0 || settings.outside === 0) return [];
  const some = evenly(pairs, Math.min(pairs.length, settings.setPairs));
  const how = { replacement: 'resample' as const, seed: settings.seed, ...listener };
  const { level, resamples } = own;
  return outsideHeads(
    await bench.runner.prepare(some, how),
    heads,
    groups.groups,
    {
      ...{ most: settings.outside, directions: circuit.layout.size, score: scoreOf(some) },
      ...{ level, resamples, seed: settings.seed },
    },
    listener,
  );
}

/** The same training on the model with its weights shuffled, cut at the circuit's size. */
async function onShuffled(opened: Opened, listener: Listener): Promise<Line | null> {
  const { run, own, settings, subject, data, pairs, circuit } = opened;
  // Directions of a file add up to this model's matrices, and not to shuffled ones.
  if (run.manifest.command === 'evaluate' || !data.splits.train || own.basis === 'loaded') return null;
  const training = ownTraining(run, subject.model.path);
  const scratch = await mkdtemp(join(tmpdir(), 'orthoscope-shuffled-'));
  try {
    await writeShuffled(subject.model.path, scratch, settings.seed);
    const { values, kept } = await withSubject(scratch, own, async (other) => {
      const work = workload(data, training.batchSize);
      const options = {
        ...own,
        components: circuit.layout.kinds,
        store: join(scratch, 'store'),
        estimatedOn: data.splits.train,
        ...listener,
      };
      const bench = await openWorkbench(other, work, options);
      try {
        const { masks, soft } = await trainOn(bench, data.splits, { ...training, ...own }, listener);
        const size = circuit.binarised.filter((mask) => mask > 0).length;
        const prompts = await bench.runner.prepare(pairs, { ...own, ...listener });
        const score = async (masks: Float32Array) => (await prompts.score(masks, listener)).kl;
        return {
          kept: masks.filter((mask) => mask > own.threshold).length,
          values: {
            shuffled: await score(largest(masks, soft, size)),
            shuffled_nothing: await score(new Float32Array(masks.length)),
          },
        };
      } finally {
        await bench.runner.close();
      }
    });
    const ownKl = async (masks: Float32Array) => (await circuit.prompts.score(masks, listener)).kl;
    const found = {
      circuit: await ownKl(circuit.binarised),
      nothing: await ownKl(noneKept(circuit)),
      ...values,
      kept,
    };
    const { level, resamples } = own;
    return shuffledLine(found, { level, resamples, seed: settings.seed });
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** The same training with the circuit's directions held off, cut at its size. */
async function rivalOf(opened: Opened, listener: Listener): Promise<Line | null> {
  const { run, own, settings, subject, data, bench, circuit } = opened;
  if (run.manifest.command === 'evaluate' || !data.splits.train) return null;
  const heldOff = Uint8Array.from(circuit.binarised);
  const size = heldOff.reduce((sum, mark) => sum + mark, 0);
  const training = { ...ownTraining(run, subject.model.path), ...own };
  const { masks, soft } = await trainOn(bench, data.splits, training, listener, { heldOff });
  // What is held off comes last, whatever the others' masks: it is none of the rival.
  const rival = largest(
    masks,
    soft.map((mask, at) => (heldOff[at] ? -1 : mask)),
    Math.min(size, heldOff.length - size),
  );
  const score = (masks: Float32Array) => circuit.prompts.score(masks, listener);
  const kept = (masks: Float32Array) => masks.reduce((sum, mask) => sum + mask, 0);
  const found = {
    ...{
      kept: size,
      rival_kept: kept(rival),
      found: kept(masks.map((mask) => Number(mask > own.threshold))),
    },
    circuit: await score(circuit.binarised),
    rival: await score(rival),
    nothing: await score(noneKept(circuit)),
  };
  const { level, resamples } = own;
  return rivalLine(found, { level, resamples, seed: settings.seed });
}

/** Masks that keep so many directions: those that were learned, and of the others those with the largest soft masks. */
function largest(masks: Float32Array, soft: Float32Array, size: number): Float32Array {
  const order = [...masks.keys()].sort((a, b) => masks[b]! - masks[a]! || soft[b]! - soft[a]! || a - b);
  const kept = new Float32Array(masks.length);
  for (const at of order.slice(0, size)) kept[at] = 1;
  return kept;
}

async function measuredOn(
  { run, own, settings, subject, data, circuit }: Opened,
  split: 'test' | 'train' | 'validation',
): Promise<Verdict['measured']> {
  const { source, hash } = data.described[split]!;
  return {
    model: { id: run.manifest.model.id, hash: run.manifest.model.hash },
    weight_form: subject.model.form,
    masks: await hashFile(run.file('masks.safetensors')),
    source,
    hash,
    prompts: circuit.prompts.length,
    prompts_of_sets: circuit.some.length,
    positions: own.positions,
    replacement: own.replacement,
    threshold: own.threshold,
    seed: settings.seed,
    draws: settings.draws,
    alpha: settings.alpha,
    choices: {
      granularity: `directions of the basis ${own.basis}, by component`,
      ablated: 'what is not in the set; in tests of necessity and under knockouts the set itself',
      replaced_by: `${own.replacement}; QK coefficients by zero`,
      at: own.positions === 'last' ? 'the last token; QK at every token' : 'every token',
      base: 'the clean prompt',
      averaging: 'f is a ratio of means over prompts, KL a mean over prompts',
    },
  };
}
