/** Has jobs done by an executor, and records how far each is. */
import { writeJson } from '../formats/atomic-file.js';
import type { LongCall } from '../progress.js';
import type { Executor } from './executor.js';
import type { PlannedJob } from './job.js';
import type { JobsProgress, JobTracker } from './job-tracker.js';
import type { Failure, JobsFolder } from './jobs-folder.js';

export interface JobsListener extends LongCall {
  onNote?: (line: string) => void;
  /** Called after every event, and twice a second at least. */
  onState?: (state: JobsProgress) => void;
}

/** Milliseconds between two writings of `progress.json`. */
const STATE_INTERVAL = 500;

/**
 * Has jobs done, and keeps `progress.json` and the list of failures meanwhile.
 * @throws InterruptedError if the signal fires
 */
export async function execute<Settings>(
  executor: Executor<Settings>,
  pending: readonly PlannedJob<Settings>[],
  folder: JobsFolder,
  tracker: JobTracker,
  { onNote, onState, signal }: JobsListener,
): Promise<Failure[]> {
  const failures: Failure[] = [];
  const show = () => onState?.(tracker.state());
  // People look at this file and nothing reads it: the jobs go on where it cannot be written.
  const save = () => writeJson(folder.file('progress.json'), tracker.state()).catch(() => {});
  let saving = save();
  const timer = setInterval(() => {
    show();
    saving = saving.then(save);
  }, STATE_INTERVAL);
  try {
    await executor(pending, {
      signal,
      onEvent: async (event) => {
        tracker.take(event);
        if (event.type === 'note') onNote?.(event.text);
        if (event.type === 'failed') {
          const { id, error, attempts } = event;
          failures.push({ id, error, attempts });
          onNote?.(`failed: ${tracker.label(id)}: ${error}`);
          await folder.setFailure({ id, error, attempts });
        }
        show();
      },
    });
  } finally {
    clearInterval(timer);
    show();
    await saving.then(save);
  }
  return failures;
}
