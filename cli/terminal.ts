/** Progress and remarks on stderr: a bar with time left on a terminal, quiet lines elsewhere, nothing with --quiet. */
import { Presets, SingleBar } from 'cli-progress';
import { oneLine, printable } from '../src/plain-text.js';
import type { ProgressEvent } from '../src/progress.js';
import { duration } from '../src/report/figures.js';

/** Seconds between two progress lines of one stage where there is no terminal. */
const LINE_INTERVAL = 15;

export class Terminal {
  readonly #quiet: boolean;
  readonly #bar: SingleBar | null;
  #stage = '';
  #stageStarted = 0;
  #lastLine = 0;

  constructor({ quiet, stream = process.stderr }: { quiet: boolean; stream?: NodeJS.WriteStream }) {
    this.#quiet = quiet;
    this.#bar =
      stream.isTTY && !quiet
        ? new SingleBar(
            {
              stream,
              format: '{stage} {bar} {percentage}% {count}  {left}  {note}',
              barsize: 24,
              hideCursor: true,
              clearOnComplete: false,
            },
            Presets.shades_classic,
          )
        : null;
  }

  /** A remark of one line, above the bar. */
  note = (line: string): void => {
    if (this.#quiet) return;
    this.endStage();
    process.stderr.write(`${oneLine(line)}\n`);
  };

  progress = (event: ProgressEvent): void => {
    if (this.#quiet) return;
    if (event.stage !== this.#stage) this.startStage(event);
    const seconds = (performance.now() - this.#stageStarted) / 1000;
    const share = event.share ?? event.done / event.total;
    const left = share > 0 ? duration((seconds / share) * (1 - share)) : '…';
    if (this.#bar) {
      this.#bar.update(share, {
        stage: event.stage.padEnd(9),
        count: `${event.done}/${event.total}`,
        left: event.done < event.total ? `${left} left` : duration(seconds),
        note: printable(event.note ?? ''),
      });
    } else if (event.done === event.total || performance.now() - this.#lastLine > LINE_INTERVAL * 1000) {
      this.#lastLine = performance.now();
      const rest = event.done < event.total ? `, ${left} left` : ` in ${duration(seconds)}`;
      const note = event.note ? `  ${printable(event.note)}` : '';
      process.stderr.write(`${event.stage} ${event.done}/${event.total}${rest}${note}\n`);
    }
    if (event.done === event.total) this.endStage();
  };

  /** Leaves the bar as it is and gives the cursor back. */
  endStage(): void {
    if (this.#stage === '') return;
    this.#bar?.stop();
    this.#stage = '';
  }

  private startStage({ stage }: ProgressEvent): void {
    this.endStage();
    this.#stage = stage;
    this.#stageStarted = performance.now();
    this.#lastLine = performance.now();
    this.#bar?.start(1, 0, { stage: stage.padEnd(9), count: '', left: '', note: '' });
  }
}
