/** `run`: the main job, from a model and prompts to a circuit with its evidence. */
import { rm } from 'node:fs/promises';
import { InputError, InterruptedError } from '../errors.js';
import { binarised } from '../evaluate/circuit-size.js';
import type { Metrics } from '../evaluate/metrics-file.js';
import { writePromptScores } from '../evaluate/prompts-file.js';
import { writeReport } from '../explorer/write-report.js';
import { writeJson } from '../formats/atomic-file.js';
import { EMBEDDED } from '../formats/model-folder.js';
import type { RunFolder } from '../formats/run-folder.js';
import { PAGE_READING } from '../interpret/for-page.js';
import { estimatePageReading } from '../interpret/page-estimate.js';
import type { Listener } from '../progress.js';
import { begin, checkedData } from '../run/begin.js';
import { writeClusters } from '../run/clusters.js';
import { estimateWork, type RunEstimate } from '../run/estimate.js';
import { evaluateOn } from '../run/evaluation.js';
import { outFolder } from '../run/out-folder.js';
import { concluding, timed } from '../run/session.js';
import { settlingIn } from '../run/settling.js';
import { withSubject } from '../run/subject.js';
import { trainInto } from '../run/training.js';
import type { Given, Settings } from '../settings/commands.js';
import { complete } from '../settings/complete.js';
import { SPLITS } from '../tasks/splits.js';
import { interpret } from './interpret.js';

export interface RunOutcome {
  run: RunFolder;
  metrics: Metrics;
  /** Path of the report page. */
  report: string;
}

/**
 * Decomposes, trains, evaluates and reports, into one run folder.
 * @example
 * const { metrics } = await run({ model: 'openai-community/gpt2', task: 'ioi', out: 'runs/ioi' });
 */
export async function run(given: Given<'run'> = {}, listener: Listener = {}): Promise<RunOutcome> {
  const settings = wholeSettings(given);
  const out = outFolder(settings, 'runs', settings.task ?? settings.data ?? 'run', listener);
  const done = await withSubject(settings.model, { ...settings, ...listener }, async (subject) => {
    const data = await checkedData(subject, settings, SPLITS, listener);
    const { components, batchSize, resume } = settings;
    const beginning = { command: 'run' as const, settings, data, components, batchSize, out, resume };
    const { session, bench } = await begin(subject, beginning, listener);
    return concluding(session, async () => {
      const { masks, soft } = await trainInto(session, bench, data, settings, listener);
      const beforeRounding = settings.roundingSteps > 0 ? soft : undefined;
      const settling = await settlingIn(session);
      const metrics = await timed(session, 'evaluate', () =>
        evaluateOn(
          bench,
          { ...data, measured: 'test', seen: 'train' },
          { values: masks, file: session.file('masks.safetensors'), beforeRounding, settling },
          settings,
          {
            ...listener,
            onCircuitScores: (pairs, scores) =>
              writePromptScores(session.file('prompts.jsonl'), pairs, scores),
          },
        ),
      );
      // Only singular directions come in clusters, within which they could as well be rotated.
      if (settings.basis === 'svd')
        await writeClusters(
          session.file('clusters.safetensors'),
          bench.runner,
          binarised(masks, settings.threshold),
          bench.decomposition,
        );
      await writeJson(session.file('metrics.json'), metrics);
      return { run: session, metrics };
    }).finally(() => bench.runner.close());
  });
  // The model that was trained on is closed by now: two of them need not fit the memory.
  const interrupted = await readForPage(done.run, settings, listener);
  const report = await writeReport(done.run.path);
  if (interrupted) throw interrupted;
  return { ...done, report };
}

/**
 * Reads the circuit's directions and takes some prompts apart, for the page. What fails here leaves the page without
 * them, and not the run without its page.
 * @returns what interrupted it, to be thrown once there is a page
 */
async function readForPage(
  run: RunFolder,
  settings: Settings<'run'>,
  listener: Listener,
): Promise<InterruptedError | null> {
  if (!hasReadings(settings)) return null;
  const { pagePrompts, engine, workers, store, memory } = settings;
  const out = run.file('reading');
  try {
    await rm(out, { recursive: true, force: true });
    await timed(run, 'read', () =>
      interpret(
        {
          ...{ run: run.path, out, ...PAGE_READING, traced: pagePrompts },
          ...{ engine, workers, store, memory },
        },
        listener,
      ),
    );
    return null;
  } catch (error) {
    if (!(error instanceof InputError || error instanceof InterruptedError)) throw error;
    listener.onNote?.(`the page shows no directions and no prompts: ${error.message}`);
    return error instanceof InterruptedError ? error : null;
  }
}

/** Whether its circuit is read for the page: what reads directions reads singular ones. */
function hasReadings({ pagePrompts, basis }: Settings<'run'>): boolean {
  return pagePrompts > 0 && basis === 'svd';
}

/** What {@link run} would do and take. */
export function estimateRun(given: Given<'run'> = {}, listener: Listener = {}): Promise<RunEstimate> {
  const settings = wholeSettings(given);
  return withSubject(settings.model, { ...settings, ...listener }, async (subject) => {
    const data = await checkedData(subject, settings, SPLITS, listener);
    const rounds = settings.roundingSteps > 0;
    const evaluation = {
      settings,
      measured: 'test',
      seen: 'train',
      masks: { isBinary: rounds, wasRounded: rounds },
    } as const;
    const work = { ...settings, data, training: settings, evaluation };
    const estimate = await estimateWork(subject, work, { ...settings, ...listener });
    if (!hasReadings(settings)) return estimate;
    const read = await estimatePageReading(subject.model, data.splits.test!, { ...settings, rounds });
    return {
      ...estimate,
      seconds: { ...estimate.seconds, read: read.seconds },
      // By then the model that was trained on is closed.
      memory_bytes: Math.max(estimate.memory_bytes, read.memory_bytes),
    };
  });
}

/** The embedded model learned one task above all. */
function wholeSettings(given: Given<'run'>): Settings<'run'> {
  const settings = complete('run', given);
  const { model, task, data } = settings;
  return model === EMBEDDED && task === null && data === null ? { ...settings, task: 'ioi' } : settings;
}
