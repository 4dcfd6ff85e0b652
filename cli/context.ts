/** What every command's handler gets: where to report, how to be stopped, how to print its result. */
import { setMaxListeners } from 'node:events';
import type { Listener } from '../src/run/commands.js';
import type { Flags } from './options.js';
import { Terminal } from './terminal.js';

export interface Context extends Listener {
  signal: AbortSignal;
  /** Prints the result: the value as JSON with --json, else the text. */
  result(value: unknown, text: string): void;
}

/** Runs a command with progress on stderr; the first Ctrl-C saves and stops, the second ends at once. */
export async function inContext(flags: Flags, work: (context: Context) => Promise<void>): Promise<void> {
  const terminal = new Terminal({ quiet: flags.quiet === true });
  const abort = new AbortController();
  // Every job in a pool listens to it; hundreds of heads are no leak.
  setMaxListeners(0, abort.signal);
  const interrupt = () => {
    if (abort.signal.aborted) process.exit(130);
    terminal.note('stopping after this step; once more ends at once');
    abort.abort();
  };
  process.on('SIGINT', interrupt);
  process.on('SIGTERM', interrupt);
  try {
    await work({
      signal: abort.signal,
      onProgress: terminal.progress,
      onNote: terminal.note,
      result: (value, text) => {
        terminal.endStage();
        process.stdout.write(flags.json === true ? `${JSON.stringify(value, null, 2)}\n` : `${text}\n`);
      },
    });
  } finally {
    terminal.endStage();
    process.off('SIGINT', interrupt);
    process.off('SIGTERM', interrupt);
  }
}
