/** `run`: the main job, from a model and prompts to a circuit with its evidence. */

import { binarised } from '../evaluate/circuit-size.js';
import type { Metrics } from '../evaluate/metrics-file.js';
import { writePromptScores } from '../evaluate/prompts-file.js';
import { writeJson } from '../formats/atomic-file.js';
import { EMBEDDED } from '../formats/model-folder.js';
import type { RunFolder } from '../formats/run-folder.js';
import type { Listener } from '../progress.js';
import { writeReport } from '../report/write-report.js';
import { begin, checkedData } from '../run/begin.js';
import { writeClusters } from '../run/clusters.js';
import { estimateTraining, type RunEstimate } from '../run/estimate.js';
import { evaluateOn } from '../run/evaluation.js';
import { outFolder } from '../run/out-folder.js';
import { concluding, timed } from '../run/session.js';
import { settlingIn } from '../run/settling.js';
import { withSubject } from '../run/subject.js';
import { trainInto } from '../run/training.js';
import type { Given, Settings } from '../settings/commands.js';
import { complete } from '../settings/complete.js';
import { SPLITS } from '../tasks/splits.js';

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
export function run(given: Given<'run'> = {}, listener: Listener = {}): Promise<RunOutcome> {
  const settings = wholeSettings(given);
  const out = outFolder(settings, 'runs', settings.task ?? settings.data ?? 'run', listener);
  return withSubject(settings.model, { ...settings, ...listener }, async (subject) => {
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
      // A random basis is drawn, not found: it has no directions that could be rotated.
      if (settings.basis === 'svd')
        await writeClusters(
          session.file('clusters.safetensors'),
          bench.runner,
          binarised(masks, settings.threshold),
          bench.decomposition,
        );
      await writeJson(session.file('metrics.json'), metrics);
      return { run: session, metrics, report: await writeReport(session.path) };
    }).finally(() => bench.runner.close());
  });
}

/** What {@link run} would do and take. */
export function estimateRun(given: Given<'run'> = {}, listener: Listener = {}): Promise<RunEstimate> {
  const settings = wholeSettings(given);
  return estimateTraining(settings, settings, listener);
}

/** The embedded model learned one task above all. */
function wholeSettings(given: Given<'run'>): Settings<'run'> {
  const settings = complete('run', given);
  const { model, task, data } = settings;
  return model === EMBEDDED && task === null && data === null ? { ...settings, task: 'ioi' } : settings;
}
