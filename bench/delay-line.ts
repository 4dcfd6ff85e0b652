/** Two network namespaces with a line between that delays packets (`delay-line.py`): another machine, on this one. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** Where the other end can be reached. */
export const FAR = '10.77.0.2:7400';

export interface Line {
  /** Milliseconds of a round trip. */
  delay: string;
  /** Whether TCP remembers how much may be under way while nothing is; Linux forgets it unless told otherwise. */
  keepWindow: boolean;
}

/** Commands that run what follows them at one end. */
export type Ends = Record<'near' | 'far', readonly string[]>;

/** Works with a line, as root on Linux with `ip` and Python 3. */
export async function withLine(
  { delay, keepWindow }: Line,
  work: (ends: Ends) => Promise<void>,
): Promise<void> {
  const script = fileURLToPath(new URL('../../bench/delay-line.py', import.meta.url));
  const [near, far] = [`orthoscope-near-${process.pid}`, `orthoscope-far-${process.pid}`];
  let close = async () => {};
  try {
    const afterIdle = `net.ipv4.tcp_slow_start_after_idle=${keepWindow ? 0 : 1}`;
    for (const name of [near, far]) {
      execute('ip', ['netns', 'add', name]);
      execute('ip', ['netns', 'exec', name, 'sysctl', '-q', '-w', afterIdle]);
    }
    const line = spawn('python3', [script, near, far, delay], { stdio: ['pipe', 'pipe', 'inherit'] });
    const ended = once(line, 'close');
    close = async () => {
      line.stdin.end();
      await ended;
    };
    await said(line, line.stdout, 'ready');
    await work({ near: ['ip', 'netns', 'exec', near], far: ['ip', 'netns', 'exec', far] });
  } finally {
    await close();
    for (const name of [near, far])
      if (existsSync(`/run/netns/${name}`)) execute('ip', ['netns', 'del', name]);
  }
}

export function execute(command: string, args: readonly string[]): void {
  execFileSync(command, args, { stdio: ['ignore', 'ignore', 'inherit'] });
}

/** Waits until a process has written a text. */
export async function said(
  process: ChildProcess,
  stream: NodeJS.ReadableStream,
  text: string,
): Promise<void> {
  let heard = '';
  await new Promise<void>((resolve, reject) => {
    stream.on('data', (chunk) => {
      heard += chunk;
      if (heard.includes(text)) resolve();
    });
    process.once('close', () => reject(new Error(`ended early: ${heard}`)));
  });
}

/** What a process writes on its standard output, once it has ended well. */
export async function outputOf(process: ChildProcess): Promise<string> {
  const [output, errors] = [textOf(process.stdout!), textOf(process.stderr!)];
  const [code, signal] = await once(process, 'close');
  if (code !== 0) throw new Error(`a measuring process ended with ${signal ?? code}:\n${await errors}`);
  return output;
}

async function textOf(stream: NodeJS.ReadableStream): Promise<string> {
  let text = '';
  for await (const chunk of stream) text += chunk;
  return text;
}
