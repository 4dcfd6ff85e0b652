/** The other end of a remote pool: does the jobs of whoever is connected, on workers of this machine. */
import type { TLSSocket } from 'node:tls';
import { InputError } from '../errors.js';
import { Channel } from './channel.js';
import { BEAT, type Outcome, type Reply, request } from './remote-messages.js';
import type { WorkerPool } from './worker-pool.js';

export interface Served {
  pool: WorkerPool;
  /** What a worker is given of a job that came; throws where it is none. */
  received(name: string, job: unknown): unknown;
}

/**
 * Serves a connection until it ends or the signal fires; then the workers are ended, whatever they do.
 * @param open makes the workers that a hello asks for; throws InputError where it cannot be done
 */
export async function servePool(
  socket: TLSSocket,
  open: (hello: unknown) => Promise<Served>,
  signal: AbortSignal,
): Promise<void> {
  const left = new AbortController();
  const underway = new Map<number, AbortController>();
  let served: Promise<Served> | undefined;

  const channel = new Channel(socket, (message) => {
    const asked = request.parse(message);
    if ('id' in asked) void answer(asked.id, asked.name, asked.job);
    else if ('cancel' in asked) underway.get(asked.cancel)?.abort();
    else if ('bye' in asked) left.abort();
    else void greet(asked.hello);
  });
  const send = (message: Reply) => channel.send(message);
  const beat = setInterval(() => send({ beat: true }), BEAT);

  async function greet(hello: unknown): Promise<void> {
    if (served) return channel.destroy('two hellos');
    served = open(hello);
    try {
      send({ workers: (await served).pool.workers });
    } catch (error) {
      send({ refused: error instanceof InputError ? error.message : `a fault there: ${messageOf(error)}` });
      channel.end();
    }
  }

  async function answer(id: number, name: string, job: unknown): Promise<void> {
    const stop = new AbortController();
    underway.set(id, stop);
    const outcome = await outcomeOf(name, job, AbortSignal.any([stop.signal, left.signal]));
    underway.delete(id);
    // What was broken off as this machine goes is no outcome: others can do it.
    if (left.signal.aborted) return;
    try {
      send({ id, outcome });
    } catch (error) {
      send({ id, outcome: failure(error) });
    }
  }

  async function outcomeOf(name: string, job: unknown, stopped: AbortSignal): Promise<Outcome> {
    try {
      if (!served) throw new Error('a job came before anything was asked');
      const { pool, received } = await served;
      return { value: await pool.run(name, received(name, job), stopped) };
    } catch (error) {
      return failure(error);
    }
  }

  void channel.closed.then(() => left.abort());
  if (!signal.aborted && !left.signal.aborted)
    await new Promise((resolve) => {
      for (const end of [signal, left.signal]) end.addEventListener('abort', resolve, { once: true });
    });
  left.abort();
  clearInterval(beat);
  await served?.then(({ pool }) => pool.close()).catch(() => {});
  channel.end();
  await channel.closed;
}

function failure(error: unknown): Outcome {
  return error instanceof InputError ? { refused: error.message } : { thrown: messageOf(error) };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
