/**
 * Runs the command line in the test's own process, which takes a tenth of the time. For what a command says and writes;
 * signals, pipes, and what a process leaves behind need a process of their own (`command.ts`).
 */
import { main } from '../../cli/command-line.js';
import type { CommandOptions, CommandOutcome } from './command.js';

/** One after the other: the streams and the cache folder are the whole process's. */
export async function orthoscopeHere(
  args: string[],
  { cache }: Pick<CommandOptions, 'cache'>,
): Promise<CommandOutcome> {
  const before = process.env.ORTHOSCOPE_CACHE;
  process.env.ORTHOSCOPE_CACHE = cache;
  const [stdout, stderr] = [capture(process.stdout), capture(process.stderr)];
  try {
    const code = await main(args);
    return { code, stdout: stdout.text, stderr: stderr.text };
  } finally {
    stdout.end();
    stderr.end();
    if (before === undefined) delete process.env.ORTHOSCOPE_CACHE;
    else process.env.ORTHOSCOPE_CACHE = before;
  }
}

function capture(stream: NodeJS.WriteStream): { text: string; end: () => void } {
  const { write } = stream;
  const captured = { text: '', end: () => Object.assign(stream, { write }) };
  stream.write = ((chunk: string | Uint8Array, ...rest: unknown[]) => {
    captured.text += typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString();
    const done = rest.at(-1);
    if (typeof done === 'function') done();
    return true;
  }) as typeof stream.write;
  return captured;
}
