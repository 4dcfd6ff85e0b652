/** `train`: learns masks into a run folder. */
import type { RunFolder } from '../formats/run-folder.js';
import type { TrainResult } from '../masks/train.js';
import type { Listener } from '../progress.js';
import { begin, checkedData } from '../run/begin.js';
import { estimateWork, type RunEstimate } from '../run/estimate.js';
import { outFolder } from '../run/out-folder.js';
import { concluding } from '../run/session.js';
import { withSubject } from '../run/subject.js';
import { trainInto, trainingSplits } from '../run/training.js';
import type { Given } from '../settings/commands.js';
import { complete } from '../settings/complete.js';

export interface TrainOutcome {
  run: RunFolder;
  result: TrainResult;
}

/**
 * @example
 * const { result } = await train({ model: 'embedded', task: 'ioi', steps: 40 });
 */
export function train(given: Given<'train'>, listener: Listener = {}): Promise<TrainOutcome> {
  const settings = complete('train', given);
  const out = outFolder(settings, 'runs', settings.task ?? settings.data ?? 'train', listener);
  return withSubject(settings.model, { ...settings, ...listener }, async (subject) => {
    const data = await checkedData(subject, settings, trainingSplits(settings), listener);
    const { components, batchSize, resume } = settings;
    const beginning = { command: 'train' as const, settings, data, components, batchSize, out, resume };
    const { session, bench } = await begin(subject, beginning, listener);
    if (!data.splits.validation) listener.onNote?.('no --validation file: validated on the training pairs');
    return concluding(session, async () => ({
      run: session,
      result: await trainInto(session, bench, data, settings, listener),
    })).finally(() => bench.runner.close());
  });
}

/** What {@link train} would do and take. */
export function estimateTrain(given: Given<'train'>, listener: Listener = {}): Promise<RunEstimate> {
  const settings = complete('train', given);
  return withSubject(settings.model, { ...settings, ...listener }, async (subject) => {
    const data = await checkedData(subject, settings, trainingSplits(settings), listener);
    const work = { ...settings, data, training: settings, evaluation: null };
    return estimateWork(subject, work, { ...settings, ...listener });
  });
}
