/** What the commands do, from settings to files: open, train, evaluate, report. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { InputError } from '../errors.js';
import { binarised } from '../evaluate/circuit-size.js';
import type { EvaluateSettings } from '../evaluate/evaluate.js';
import type { Metrics } from '../evaluate/metrics-file.js';
import { writePromptScores } from '../evaluate/prompts-file.js';
import { writeJson } from '../formats/atomic-file.js';
import { makeFolder } from '../formats/make-folder.js';
import { createRun, findRun, type RunFolder } from '../formats/run-folder.js';
import type { Replacement } from '../forward/masking-rules.js';
import type { TrainSettings } from '../masks/settings.js';
import type { TrainResult } from '../masks/train.js';
import { checkPairs } from '../pairs/pair-requirements.js';
import type { LongCall } from '../progress.js';
import { writeReport } from '../report/write-report.js';
import type { Split } from '../tasks/splits.js';
import { writeClusters } from './clusters.js';
import { type DataRequest, loadData, type RunData } from './data.js';
import { checkedKinds } from './decomposition.js';
import { evaluateSplits } from './evaluation.js';
import { loadMasks } from './masks.js';
import { concluding, newManifest, timed } from './session.js';
import { settlingIn } from './settling.js';
import { type Subject, type SubjectOptions, withSubject } from './subject.js';
import { trainInto } from './training.js';
import {
  openWorkbench,
  type Workbench,
  type WorkbenchOptions,
  type Workload,
  workload,
} from './workbench.js';

/** What every command needs to know about model and masking. */
export interface CommonSettings
  extends Omit<SubjectOptions, keyof LongCall>,
    Omit<WorkbenchOptions, keyof LongCall> {
  /** Local folder or hub id. */
  model: string;
  replacement: Replacement;
  seed: number;
}

export interface Listener extends LongCall {
  /** Plain remarks on what is used and why, for the log. */
  onNote?: (line: string) => void;
}

export interface RunOptions {
  common: CommonSettings;
  data: DataRequest;
  train: TrainSettings;
  evaluate: EvaluateSettings;
  out: string;
  resume: boolean;
}

export interface RunOutcome {
  run: RunFolder;
  metrics: Metrics;
  /** Path of the report page. */
  report: string;
}

/** The main job: decompose, train, evaluate, report, in one run folder. */
export function run(options: RunOptions, listener: Listener = {}): Promise<RunOutcome> {
  return withSubject(options.common.model, { ...options.common, ...listener }, async (subject) => {
    const splits = ['train', 'validation', 'test'] as const;
    const { session, data, bench } = await begin('run', subject, options, splits, listener);
    return concluding(session, async () => {
      const { masks, soft } = await train(session, bench, data, options, listener);
      const beforeRounding = options.train.roundingSteps > 0 ? soft : undefined;
      const settling = await settlingIn(session);
      const metrics = await timed(session, 'evaluate', () =>
        evaluateSplits(
          bench,
          { splits: { test: data.splits.test! }, described: data.described },
          { values: masks, file: session.file('masks.safetensors'), beforeRounding, settling },
          { ...options.common, ...options.evaluate },
          {
            ...listener,
            onCircuitScores: (pairs, scores) =>
              writePromptScores(session.file('prompts.jsonl'), pairs, scores),
          },
        ),
      );
      // A random basis is drawn, not found: it has no directions that could be rotated.
      if (options.common.basis === 'svd')
        await writeClusters(
          session.file('clusters.safetensors'),
          bench.runner,
          binarised(masks, options.evaluate.threshold),
          bench.decomposition,
        );
      await writeJson(session.file('metrics.json'), metrics);
      return { run: session, metrics, report: await writeReport(session.path) };
    }).finally(() => bench.runner.close());
  });
}

/** Training alone. */
export function trainOnly(
  options: Omit<RunOptions, 'evaluate'>,
  listener: Listener = {},
): Promise<{ run: RunFolder; result: TrainResult }> {
  return withSubject(options.common.model, { ...options.common, ...listener }, async (subject) => {
    const validated = options.data.task !== undefined || options.data.validation !== undefined;
    const splits = validated ? (['train', 'validation'] as const) : (['train'] as const);
    const { session, data, bench } = await begin('train', subject, options, splits, listener);
    if (!validated) listener.onNote?.('no --validation file: validated on the training pairs');
    return concluding(session, async () => ({
      run: session,
      result: await train(session, bench, data, options, listener),
    })).finally(() => bench.runner.close());
  });
}

export interface EvaluateOptions {
  common: Omit<CommonSettings, 'components'>;
  data: DataRequest;
  evaluate: EvaluateSettings;
  /** A masks file. */
  masks: string;
  /** Folder for `metrics.json`; null: nowhere. */
  out: string | null;
}

/** Evaluates a masks file on a task's test split or on all pairs of a file. */
export function evaluateOnly(options: EvaluateOptions, listener: Listener = {}): Promise<Metrics> {
  return withSubject(options.common.model, { ...options.common, ...listener }, (subject) =>
    evaluateMasks(subject, options, listener),
  );
}

async function evaluateMasks(
  subject: Subject,
  options: EvaluateOptions,
  listener: Listener,
): Promise<Metrics> {
  const { common, evaluate, out } = options;
  const data = await loadData(subject, options.data, ['test']);
  for (const line of data.notes) listener.onNote?.(line);
  const { kinds, values, masked } = await loadMasks(options.masks, subject.model, common);
  checkPairs(data.splits.test!, { ...common, kinds, loss: 'kl' });
  const target = out === null ? null : join(out, 'metrics.json');
  if (target !== null && existsSync(target))
    throw new InputError(`${target}: is there already; name another --out`);
  const work = workload(data, 0);
  const bench = await openBench(subject, work, { ...common, components: kinds }, listener);
  const metrics = await evaluateSplits(
    bench,
    data,
    { values, masked, file: options.masks, settling: null },
    { ...common, ...evaluate },
    listener,
  ).finally(() => bench.runner.close());
  if (target !== null) {
    await makeFolder(dirname(target));
    await writeJson(target, metrics);
  }
  return metrics;
}

/**
 * Checks all that can be wrong, decomposes, and only then makes the run's folder: what fails before
 * training leaves nothing behind but finished layers in the store.
 */
async function begin(
  command: string,
  subject: Subject,
  options: Omit<RunOptions, 'evaluate'> & { evaluate?: EvaluateSettings },
  splits: readonly Split[],
  listener: Listener,
): Promise<{ session: RunFolder; data: RunData; bench: Workbench }> {
  const { common, out, resume } = options;
  const data = await checkedRequest(subject, options, splits, listener);
  const { model: _model, store: _store, workers: _workers, memory: _memory, ...determining } = common;
  const settings = { ...determining, ...options.train, ...options.evaluate, data: options.data };
  const manifest = await newManifest({ command, settings, seed: common.seed, subject, data });
  await findRun(out, manifest, { resume });

  const started = performance.now();
  const work = workload(data, options.train.batchSize);
  const bench = await openBench(subject, work, common, listener);
  const { name, version } = bench.engine;
  const session = await createRun(
    out,
    {
      ...manifest,
      engine: name,
      workers: bench.runner.workers,
      versions: { ...manifest.versions, [name]: version },
      seconds: { decompose: (performance.now() - started) / 1000 },
    },
    { resume },
  ).catch(async (error) => {
    await bench.runner.close();
    throw error;
  });
  return { session, data, bench };
}

/** The data of a run, checked against what its settings ask of pairs. */
export async function checkedRequest(
  subject: Subject,
  { common, data: request, train }: Pick<RunOptions, 'common' | 'data' | 'train'>,
  splits: readonly Split[],
  { onNote }: Listener,
): Promise<RunData> {
  const data = await loadData(subject, request, splits);
  for (const line of data.notes) onNote?.(line);
  const kinds = checkedKinds(subject.model, common.components);
  for (const pairs of Object.values(data.splits)) checkPairs(pairs, { ...common, loss: train.loss, kinds });
  return data;
}

async function openBench(
  subject: Subject,
  work: Workload,
  options: Omit<WorkbenchOptions, keyof LongCall>,
  listener: Listener,
): Promise<Workbench> {
  const bench = await openWorkbench(subject, work, { ...options, ...listener });
  listener.onNote?.(`engine ${bench.engine.name} (${bench.engine.version}): ${bench.engine.reason}`);
  return bench;
}

function train(
  session: RunFolder,
  bench: Workbench,
  { splits }: RunData,
  { train: settings, common }: Pick<RunOptions, 'train' | 'common'>,
  listener: Listener,
): Promise<TrainResult> {
  const data = { train: splits.train!, validation: splits.validation ?? splits.train! };
  const { basis, basisSeed, replacement, seed } = common;
  return timed(session, 'train', () =>
    trainInto(
      session,
      bench,
      data,
      { train: settings, basis: { basis, basisSeed }, replacement, seed },
      listener,
    ),
  );
}
