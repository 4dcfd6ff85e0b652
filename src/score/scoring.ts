/** Scoring as a whole, from a request to a folder of tables; or to an estimate of what it would take. */
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { coresHere } from '../cores.js';
import type { Decomposition } from '../decompose/directions.js';
import { type Engine, openEngine } from '../engine/engine.js';
import { engineMemory } from '../engine/memory.js';
import { InputError } from '../errors.js';
import { writeJson } from '../formats/atomic-file.js';
import { type Manifest, readManifest } from '../formats/manifest.js';
import { createRun, findRun, type RunFolder } from '../formats/run-folder.js';
import type { Tokenizer } from '../formats/tokenizer.js';
import { Transformer } from '../forward/transformer.js';
import { kindsOf } from '../models/components.js';
import type { Listener, LongCall } from '../progress.js';
import { decomposeSubject } from '../run/decomposition.js';
import { concluding, timed } from '../run/session.js';
import { readBases, type ScoredBases, type ScoredDirection } from './bases.js';
import { depthOf } from './chosen-directions.js';
import { sourceOf } from './data-sets.js';
import { type ScoredWith, writeScoredWith } from './directions-file.js';
import { ReaderThreads } from './reader-threads.js';
import { type DataSetResult, STATES, scoreDataSets, statePath } from './score-data-sets.js';
import { type ScorePlan, type ScoreRequest, withPlan } from './score-plan.js';
import { Scorer } from './scorer.js';
import { writeScoresPage } from './scores-page.js';
import { type Estimate, estimateScoring } from './scoring-estimate.js';
import { checkScoringMemory, type MemoryRequest, scoringMemory } from './scoring-memory.js';
import { withProbe } from './scoring-probe.js';
import { type Counters, readCounts, readStateFile } from './state-file.js';
import { type ScoredDataSet, writeTables } from './tables.js';

export interface ScoreOutcome {
  run: RunFolder;
  /** By data set. */
  counters: Record<string, Counters>;
  directions: number;
  /** Null for one shard of several. */
  tables: ScoreTables | null;
}

export interface ScoreTables {
  directions: string;
  examples: string;
  /** The page. */
  report: string;
}

export interface ScoreTarget {
  /** Folder for the tables. */
  out: string;
  /** Go on with what is in it. */
  resume: boolean;
}

/** Scores into a folder, or goes on there. */
export function score(
  request: ScoreRequest,
  target: ScoreTarget,
  listener: Listener = {},
): Promise<ScoreOutcome> {
  return withPlan(request, listener, (plan) => scorePlanned(plan, target, listener));
}

async function scorePlanned(
  plan: ScorePlan,
  { out, resume }: ScoreTarget,
  listener: Listener,
): Promise<ScoreOutcome> {
  // A run that ended between reading its data and writing its tables has noted the data's hashes: they stay.
  const noted = await readManifest(join(out, 'manifest.json')).catch(() => null);
  const manifest = resume && noted ? { ...plan.manifest, data: noted.data } : plan.manifest;
  const present = await findRun(out, manifest, { resume });
  if (present?.manifest.status === 'complete') {
    listener.onNote?.(`${out}: was complete already`);
    return completeOutcome(present, plan);
  }
  const started = performance.now();
  const prepared = await prepare(plan, listener);
  const { engine } = prepared;
  const run = await createRun(
    out,
    {
      ...manifest,
      engine: engine.name,
      versions: { ...manifest.versions, [engine.name]: engine.version },
      seconds: { decompose: (performance.now() - started) / 1000 },
    },
    { resume },
  );
  return concluding(run, () =>
    withScorer(plan, prepared, listener, (scorer, readers) =>
      scoreInto(run, plan, prepared, scorer, readers, listener),
    ),
  );
}

/** All data sets, then their tables. */
async function scoreInto(
  run: RunFolder,
  plan: ScorePlan,
  { bases, directions }: Prepared,
  scorer: Scorer,
  readers: ReaderThreads,
  listener: Listener,
): Promise<ScoreOutcome> {
  const { request, dataSets, passages, identity } = plan;
  const sizes = { examples: request.examples, context: request.context };
  const settings = { ...request, sizes, passages, identity };
  const results = await timed(run, 'score', () =>
    scoreDataSets({ folder: run.path, dataSets, bases, scorer, readers, settings }, listener),
  );
  const counters = Object.fromEntries(
    Object.entries(results).map(([name, result]) => [name, result.counters]),
  );
  await run.update({ data: describedData(plan, results) });
  refuseNothing(plan, counters, run);
  const scoredWith: ScoredWith = { directions, masks: plan.masks && masksOf(plan.masks, directions), sizes };
  const tables = await timed(run, 'tables', () => writeOutcome(run, plan, scoredWith, counters));
  return { run, counters, directions: directions.length, tables };
}

/** A shard may be empty; a whole scoring that is has no tables. */
function refuseNothing(
  { request: { shard, data } }: ScorePlan,
  counters: Record<string, Counters>,
  run: RunFolder,
): void {
  const all = Object.values(counters);
  if (shard.of > 1 || all.some(({ prompts }) => prompts > 0)) return;
  const rejected = all.reduce((sum, counter) => sum + counter.rejected, 0);
  const reason =
    rejected > 0 ? `all ${rejected} records were rejected; see ${run.file('rejected.jsonl')}` : 'is empty';
  throw new InputError(`${data.join(', ')}: ${reason}`);
}

function describedData({ dataSets }: ScorePlan, results: Record<string, DataSetResult>): Manifest['data'] {
  const described = dataSets.map((dataSet) => {
    const { counters, hash } = results[dataSet.name]!;
    return [dataSet.name, { source: sourceOf(dataSet), pairs: counters.records, hash }];
  });
  return Object.fromEntries(described);
}

async function completeOutcome(run: RunFolder, { scored }: ScorePlan): Promise<ScoreOutcome> {
  const counters = await readCounts(run.file('counts.json'));
  const directions = scored.reduce((sum, { indices }) => sum + indices.length, 0);
  const whole = existsSync(run.file('directions.parquet'));
  return { run, counters, directions, tables: whole ? tablePaths(run) : null };
}

function tablePaths(run: RunFolder): ScoreTables {
  return {
    directions: run.file('directions.parquet'),
    examples: run.file('examples.parquet'),
    report: run.file('report.html'),
  };
}

/**
 * What scoring would take: some of the first blocks is run through a few layers, nothing is written but decompositions.
 */
export function estimateScore(request: ScoreRequest, listener: Listener = {}): Promise<Estimate> {
  return withPlan(request, listener, async (plan) => {
    const engine = await openChecked(plan, listener);
    const { subject, scored, dataSets, passages } = plan;
    const probed = {
      model: subject.model,
      decomposition: await decompositionOf(plan, listener),
      ...{ scored, positions: request.positions, examples: request.examples, context: request.context },
      workers: request.workers ?? coresHere(),
    };
    return withProbe(engine, probed, listener, (probe) =>
      estimateScoring({
        ...{ dataSets, passages, probe },
        directions: scored.reduce((sum, { indices }) => sum + indices.length, 0),
        memory: scoringMemory(memoryRequest(plan), engineMemory(engine.name)),
        settings: request,
      }),
    );
  });
}

/** Computes what the store lacks for a request, and nothing else. */
export function decomposeScored(request: ScoreRequest, call: LongCall = {}): Promise<void> {
  return withPlan(request, call, async (plan) => {
    await decompositionOf(plan, call);
  });
}

function decompositionOf({ request, subject, scored }: ScorePlan, call: LongCall): Promise<Decomposition> {
  const wanted = new Set(scored.map(({ component }) => component.kind));
  const components = kindsOf(subject.model.architecture).filter((kind) => wanted.has(kind));
  return decomposeSubject(subject, { ...request, ...call, components });
}

/** What is read with, on which engine. */
interface Prepared extends ScoredBases {
  engine: Engine;
}

async function prepare(plan: ScorePlan, listener: Listener): Promise<Prepared> {
  const engine = await openChecked(plan, listener);
  const decomposition = await decompositionOf(plan, listener);
  return { engine, ...(await readBases(plan.subject.model, decomposition, plan.scored, listener)) };
}

/**
 * The engine first: one that is asked for and missing, or a model that does not fit, must not cost a decomposition.
 * @throws InputError if it is missing, or there is too little memory
 */
async function openChecked(plan: ScorePlan, { onNote }: Listener): Promise<Engine> {
  const engine = await openEngine(plan.request);
  onNote?.(`engine ${engine.name} (${engine.version}): ${engine.reason}`);
  checkScoringMemory(memoryRequest(plan), engine.name, plan.request.memory);
  return engine;
}

function memoryRequest({ request, subject, scored }: ScorePlan): MemoryRequest {
  const { positions, examples, context } = request;
  return {
    architecture: subject.model.architecture,
    scored,
    positions,
    sizes: { examples, context },
  };
}

/** Opens a scorer for `work` and closes it afterwards. */
async function withScorer<T>(
  { request, subject, scored }: ScorePlan,
  { engine, bases }: Prepared,
  call: LongCall,
  work: (scorer: Scorer, readers: ReaderThreads) => Promise<T>,
): Promise<T> {
  const model = await Transformer.load(engine, subject.model, {
    ...{ depth: depthOf(scored), logits: false },
    ...call,
  });
  try {
    const readers = await ReaderThreads.open(bases, request, request.workers ?? coresHere());
    try {
      return await work(new Scorer(model, readers, bases, request.positions), readers);
    } finally {
      await readers.close();
    }
  } finally {
    model.dispose();
  }
}

/** Components that were not masked keep all their directions. */
function masksOf(
  masks: ReadonlyMap<string, Float32Array>,
  directions: readonly ScoredDirection[],
): Float32Array {
  return Float32Array.from(directions, ({ component, index }) => masks.get(component.name)?.[index] ?? 1);
}

/** Tables of a whole scoring; of a shard, what it is joined by. */
async function writeOutcome(
  run: RunFolder,
  { request: { shard }, dataSets, subject }: ScorePlan,
  scoredWith: ScoredWith,
  counters: Record<string, Counters>,
): Promise<ScoreTables | null> {
  await writeJson(run.file('counts.json'), counters);
  if (shard.of > 1) {
    await writeScoredWith(run.file('directions.json'), scoredWith);
    return null;
  }
  const of = { directions: scoredWith.directions.length, sizes: scoredWith.sizes };
  const load = async function* (): AsyncGenerator<ScoredDataSet> {
    for (const { name } of dataSets)
      yield { name, states: (await readStateFile(statePath(run.path, name), of)).states };
  };
  const tables = await writeScoreTables(run, load, scoredWith, subject.tokenizer);
  await rm(run.file(STATES), { recursive: true, force: true });
  return tables;
}

/** Writes the tables and the page of a folder. */
export async function writeScoreTables(
  run: RunFolder,
  load: () => AsyncIterable<ScoredDataSet>,
  scoredWith: ScoredWith,
  tokenizer: Tokenizer | null,
): Promise<ScoreTables> {
  const { model, weight_form, settings } = run.manifest;
  const paths = tablePaths(run);
  await writeTables(paths, load, {
    ...scoredWith,
    tokenizer,
    metadata: {
      model: model.id,
      model_hash: model.hash,
      weight_form,
      positions: String(settings.positions),
    },
  });
  await writeScoresPage(run.path);
  return paths;
}
