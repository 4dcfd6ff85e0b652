/** A live view of a sweep on stderr: the whole and each run on a terminal, a line now and then elsewhere. */
import { clearScreenDown, moveCursor } from 'node:readline';
import type { JobsListener } from '../src/queue/execute.js';
import type { JobsProgress } from '../src/queue/job-tracker.js';
import { duration } from '../src/report/figures.js';
import type { Context } from './context.js';

/** Seconds between two lines where there is no terminal. */
const LINE_INTERVAL = 15;
/** Milliseconds between two drawings. */
const DRAW_INTERVAL = 200;

/**
 * Shows how jobs stand while `work` has them done.
 * @param jobs what is counted
 */
export async function withView<Result>(
  context: Context,
  jobs: string,
  work: (listener: JobsListener) => Promise<Result>,
): Promise<Result> {
  const view = new SweepView(context.quiet, jobs);
  const onNote = (line: string) => {
    view.clear();
    context.onNote(line);
  };
  try {
    return await work({ ...context, onNote, onState: view.show });
  } finally {
    view.clear();
  }
}

class SweepView {
  #drawn = 0;
  #last = 0;
  #counted = -1;

  constructor(
    private readonly quiet: boolean,
    /** What is counted. */
    private readonly jobs: string,
    private readonly stream: NodeJS.WriteStream = process.stderr,
  ) {}

  show = (state: JobsProgress): void => {
    if (this.quiet) return;
    const now = performance.now();
    const counted = state.complete + state.failed;
    const due = now - this.#last > (this.stream.isTTY ? DRAW_INTERVAL : LINE_INTERVAL * 1000);
    if (!due && counted === this.#counted) return;
    this.#last = now;
    this.#counted = counted;
    if (!this.stream.isTTY) {
      this.stream.write(`${headline(state, this.jobs)}\n`);
      return;
    }
    this.clear();
    const width = this.stream.columns || 80;
    const lines = [headline(state, this.jobs), ...state.running.map(runLine)].map((line) =>
      line.slice(0, width - 1),
    );
    this.stream.write(`${lines.join('\n')}\n`);
    this.#drawn = lines.length;
  };

  /** Takes back what was drawn last. */
  clear(): void {
    if (this.#drawn === 0) return;
    moveCursor(this.stream, 0, -this.#drawn);
    clearScreenDown(this.stream);
    this.#drawn = 0;
  }
}

export function headline(
  { total, complete, failed, running, seconds_left }: JobsProgress,
  jobs = 'runs',
): string {
  const parts = [`${complete}/${total} ${jobs} complete`, `${running.length} running`];
  if (failed > 0) parts.push(`${failed} failed`);
  if (seconds_left !== null && complete + failed < total) parts.push(`${duration(seconds_left)} left`);
  return parts.join(', ');
}

export function runLine({ label, worker, stage, done, total, note, seconds }: JobsProgress['running'][0]) {
  const share = total > 0 ? `${Math.round((100 * done) / total)} %` : '';
  return `  ${label}  ${stage} ${share}  ${note}  ${duration(seconds)}  ${worker}`;
}
