/** The command `score`, from settings to a folder of tables; or to an estimate of what it would take. */
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { basename, join } from 'node:path';
import type { Decomposition } from '../decompose/directions.js';
import { type Engine, openEngine } from '../engine/engine.js';
import { InputError } from '../errors.js';
import { writeJson } from '../formats/atomic-file.js';
import { readJson } from '../formats/json-file.js';
import { type Manifest, readManifest } from '../formats/manifest.js';
import { createRun, findRun, type RunFolder } from '../formats/run-folder.js';
import type { Tokenizer } from '../formats/tokenizer.js';
import type { ReadingBasis } from '../kernels/reader.js';
import { kindsOf } from '../models/components.js';
import { writeScoresPage } from '../report/scores-page.js';
import { readBases, type ScoredDirection } from '../score/bases.js';
import { type ScoredWith, writeScoredWith } from '../score/directions-file.js';
import { type Estimate, estimateScoring } from '../score/estimate.js';
import { PlainModel } from '../score/forward.js';
import { Lanes } from '../score/lanes.js';
import { type DataSetResult, STATES, scoreDataSets, statePath } from '../score/score.js';
import { Scorer } from '../score/scorer.js';
import { type Counters, readStateFile } from '../score/state-file.js';
import { type ScoredDataSet, writeTables } from '../score/tables.js';
import type { Listener } from './commands.js';
import { decomposeSubject } from './decomposition.js';
import { type ScorePlan, type ScoreRequest, withPlan } from './score-plan.js';
import { concluding, timed } from './session.js';

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
  return withPlan(request, listener, (plan) => scorePlan(request, plan, target, listener));
}

async function scorePlan(
  request: ScoreRequest,
  plan: ScorePlan,
  { out, resume }: ScoreTarget,
  listener: Listener,
): Promise<ScoreOutcome> {
  // What the data held is known, and noted, only when all of it was read; a run may end between that and its tables.
  const noted = await readManifest(join(out, 'manifest.json')).catch(() => null);
  if (resume && noted) plan.manifest.data = noted.data;
  const present = await findRun(out, plan.manifest, { resume });
  if (present?.manifest.status === 'complete') {
    listener.onNote?.(`${out}: was complete already`);
    return completeOutcome(present, plan);
  }
  const started = performance.now();
  const ready = await prepare(request, plan, listener);
  const { engine } = ready;
  const session = await createRun(
    out,
    {
      ...plan.manifest,
      engine: engine.name,
      versions: { ...plan.manifest.versions, [engine.name]: engine.version },
      seconds: { decompose: (performance.now() - started) / 1000 },
    },
    { resume },
  );
  const { bases, directions } = ready;
  const sizes = { examples: request.examples, context: request.context };
  const scoredWith: ScoredWith = { directions, masks: plan.masks && masksOf(plan.masks, directions), sizes };
  return concluding(session, () =>
    running(request, plan, ready, listener, async (scorer, lanes) => {
      const settings = { ...request, sizes, passages: plan.passages, identity: plan.identity };
      const scoring = { folder: session.path, dataSets: plan.dataSets, bases, scorer, lanes, settings };
      const results = await timed(session, 'score', () => scoreDataSets(scoring, listener));
      const counters = Object.fromEntries(
        Object.entries(results).map(([name, result]) => [name, result.counters]),
      );
      await session.update({ data: describedData(plan, results) });
      refuseNothing(request, counters, session);
      const tables = await timed(session, 'tables', () =>
        finish(session, request, plan, scoredWith, counters),
      );
      return { run: session, counters, directions: directions.length, tables };
    }),
  );
}

/** A shard may be empty; a whole scoring that is has no tables. */
function refuseNothing(
  { shard, data }: ScoreRequest,
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
  const described = dataSets.map(({ name, path }) => {
    const { counters, hash } = results[name]!;
    return [
      name,
      { source: path === '-' ? 'standard input' : basename(path), pairs: counters.records, hash },
    ];
  });
  return Object.fromEntries(described);
}

async function completeOutcome(run: RunFolder, { scored }: ScorePlan): Promise<ScoreOutcome> {
  const counters = (await readJson(run.file('counts.json'))) as Record<string, Counters>;
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

/** What scoring would take: the first blocks are run for real, nothing is written but decompositions. */
export function estimateScore(request: ScoreRequest, listener: Listener = {}): Promise<Estimate> {
  return withPlan(request, listener, async (plan) => {
    const ready = await prepare(request, plan, listener);
    return running(request, plan, ready, listener, (scorer) =>
      estimateScoring({
        dataSets: plan.dataSets,
        passages: plan.passages,
        scorer,
        bases: ready.bases,
        architecture: plan.subject.model.architecture,
        settings: request,
      }),
    );
  });
}

interface Ready {
  engine: Engine;
  bases: ReadingBasis[];
  directions: ScoredDirection[];
}

/** Computes what the store lacks for a request, and nothing else. */
export function decomposeScored(request: ScoreRequest, listener: Listener = {}): Promise<void> {
  return withPlan(request, listener, async (plan) => {
    await decomposed(request, plan, listener);
  });
}

function decomposed(
  request: ScoreRequest,
  { subject, scored }: ScorePlan,
  listener: Listener,
): Promise<Decomposition> {
  const wanted = new Set(scored.map(({ component }) => component.kind));
  const components = kindsOf(subject.model.architecture).filter((kind) => wanted.has(kind));
  return decomposeSubject(subject, { ...request, ...listener, components });
}

async function prepare(request: ScoreRequest, plan: ScorePlan, listener: Listener): Promise<Ready> {
  // The engine first: one that is asked for and missing must not cost a decomposition.
  const engine = await openEngine(request);
  listener.onNote?.(`engine ${engine.name} (${engine.version}): ${engine.reason}`);
  const decomposition = await decomposed(request, plan, listener);
  return { engine, ...(await readBases(plan.subject.model, decomposition, plan.scored, listener)) };
}

async function running<T>(
  request: ScoreRequest,
  { subject, scored }: ScorePlan,
  { engine, bases }: Ready,
  listener: Listener,
  work: (scorer: Scorer, lanes: Lanes) => Promise<T>,
): Promise<T> {
  const depth = 1 + Math.max(...scored.map(({ component }) => component.layer));
  const model = await PlainModel.load(engine, subject.model, depth, listener);
  try {
    const lanes = await Lanes.open(bases, request, request.workers ?? availableParallelism());
    try {
      return await work(new Scorer(model, lanes, bases, request.positions), lanes);
    } finally {
      await lanes.close();
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

/** Tables of a whole run; of a shard, what it is joined by. */
async function finish(
  session: RunFolder,
  { shard }: ScoreRequest,
  { dataSets, subject }: ScorePlan,
  scoredWith: ScoredWith,
  counters: Record<string, Counters>,
): Promise<ScoreTables | null> {
  await writeJson(session.file('counts.json'), counters);
  if (shard.of > 1) {
    await writeScoredWith(session.file('directions.json'), scoredWith);
    return null;
  }
  const load = async function* (): AsyncGenerator<ScoredDataSet> {
    for (const { name } of dataSets)
      yield { name, states: (await readStateFile(statePath(session.path, name))).states };
  };
  const tables = await writeScoreTables(session, load, scoredWith, subject.tokenizer);
  await rm(session.file(STATES), { recursive: true, force: true });
  return tables;
}

/** Writes the tables and the page of a folder. */
export async function writeScoreTables(
  session: RunFolder,
  load: () => AsyncIterable<ScoredDataSet>,
  scoredWith: ScoredWith,
  tokenizer: Tokenizer | null,
): Promise<ScoreTables> {
  const { model, weight_form, settings } = session.manifest;
  const paths = tablePaths(session);
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
  await writeScoresPage(session.path);
  return paths;
}
