/** What every command's handler gets: where to report, how to be stopped, how to print its result. */
import { setMaxListeners } from 'node:events';
import { abandonRuns } from '../src/formats/run-folder.js';
import { printable } from '../src/plain-text.js';
import type { Listener } from '../src/progress.js';
import type { Command, Given } from '../src/settings/commands.js';
import { painted } from './paint.js';
import { Terminal } from './terminal.js';

export interface Output {
  json: boolean;
  quiet: boolean;
  /** Only say what would be done. */
  dryRun: boolean;
}

export interface Context extends Listener, Output {
  signal: AbortSignal;
  onNote(line: string): void;
  /** Prints the result: the value as JSON with --json, else the text. */
  result(value: unknown, text: string): void;
  /** The exit code unless something is thrown. */
  code: number;
}

/** Settings as flags and config file give them, in; result printed, out. */
export type Handler<Of extends Command> = (given: Given<Of>, context: Context) => Promise<void>;

/**
 * Runs a command with progress on stderr; the first Ctrl-C saves and stops, the second ends at once.
 * @returns the exit code
 */
export async function inContext(output: Output, work: (context: Context) => Promise<void>): Promise<number> {
  const terminal = new Terminal({ quiet: output.quiet });
  const abort = new AbortController();
  // Every job in a pool listens to it; hundreds of heads are no leak.
  setMaxListeners(0, abort.signal);
  const interrupt = () => {
    if (abort.signal.aborted) {
      abandonRuns();
      process.exit(130);
    }
    terminal.note('stopping after this step; once more ends at once');
    abort.abort();
  };
  process.on('SIGINT', interrupt);
  process.on('SIGTERM', interrupt);
  const context: Context = {
    ...output,
    signal: abort.signal,
    onProgress: terminal.progress,
    onNote: terminal.note,
    result: (value, text) => {
      terminal.endStage();
      // In JSON such characters stand within strings only, where their spelling means the same.
      process.stdout.write(
        output.json ? printable(`${JSON.stringify(value, null, 2)}\n`) : painted(printable(`${text}\n`)),
      );
    },
    code: 0,
  };
  try {
    await work(context);
    return context.code;
  } finally {
    terminal.endStage();
    // What was interrupted is about to leave: until it has, another Ctrl-C still ends it with 130.
    if (!abort.signal.aborted) {
      process.off('SIGINT', interrupt);
      process.off('SIGTERM', interrupt);
    }
  }
}
