/** The workers of another machine, over a connection to it. */
import type { TLSSocket } from 'node:tls';
import { InputError, InterruptedError, throwIfAborted } from '../errors.js';
import { Channel } from './channel.js';
import { BEAT, MISSED_BEATS, type Outcome, type Request, reply } from './remote-messages.js';
import type { WorkerPool } from './worker-pool.js';

/** Milliseconds that the other machine has to end its workers, before it is left to itself. */
const GOODBYE = 5000;

/** Thrown where a machine went away: its jobs can be done elsewhere. */
export class LostError extends InputError {}

export interface RemotePoolOptions {
  socket: TLSSocket;
  /** What messages call the machine. */
  name: string;
  /** What is wanted of it. */
  hello: unknown;
  /** What of a job is sent. */
  toSend(job: unknown): unknown;
  /** Holds an answer to what it should be; throws where it is not that. */
  answered(name: string, value: unknown): unknown;
  signal?: AbortSignal;
}

/**
 * Tells the machine what is wanted and waits until it is ready. Once it is gone, `run` throws a {@link LostError}.
 * @throws InputError if the machine refuses, or goes away
 * @throws InterruptedError if the signal fires
 */
export async function openRemotePool(options: RemotePoolOptions): Promise<WorkerPool> {
  const machine = new Machine(options);
  try {
    await machine.greet(options.hello, options.signal);
    return machine;
  } catch (error) {
    machine.leave();
    throw error;
  }
}

class Machine implements WorkerPool {
  readonly sharesMemory = false;
  workers = 0;
  readonly #channel: Channel;
  /** Never resolves. */
  readonly #lost: Promise<never>;
  readonly #outcomes = new Map<number, (outcome: Outcome) => void>();
  readonly #underway = new Set<Promise<unknown>>();
  #greeted: (said: { workers: number } | { refused: string }) => void = () => {};
  #jobs = 0;

  constructor(private readonly options: RemotePoolOptions) {
    this.#channel = new Channel(options.socket, (message) => this.#hear(message));
    let received = 0;
    let missed = 0;
    // Counted are beats, not seconds: a process that was stopped for a while could not listen. A beat may have to wait
    // for the end of a large message, whose bytes are as good a sign.
    const watch = setInterval(() => {
      missed = this.#channel.received > received ? 0 : missed + 1;
      received = this.#channel.received;
      if (missed >= MISSED_BEATS)
        this.#channel.destroy(`no sign of life for ${(BEAT * MISSED_BEATS) / 1000} s`);
    }, BEAT);
    this.#lost = this.#channel.closed.then((why) => {
      clearInterval(watch);
      throw new LostError(`${options.name}: ${why}`);
    });
    // Whoever waits for a job hears of it.
    this.#lost.catch(() => {});
  }

  async greet(hello: unknown, signal?: AbortSignal): Promise<void> {
    const greeted = new Promise<{ workers: number } | { refused: string }>((resolve) => {
      this.#greeted = resolve;
    });
    this.#send({ hello });
    const said = await this.#unlessStopped(greeted, signal);
    if ('refused' in said) throw new InputError(`${this.options.name}: ${said.refused}`);
    this.workers = said.workers;
  }

  async run<Result>(name: string, job: unknown, signal?: AbortSignal): Promise<Result> {
    throwIfAborted(signal);
    const running = this.#exchange(name, job, signal);
    this.#underway.add(running);
    try {
      return (await running) as Result;
    } finally {
      this.#underway.delete(running);
    }
  }

  async close(): Promise<void> {
    await Promise.allSettled(this.#underway);
    const late = setTimeout(() => this.leave(), GOODBYE);
    this.#send({ bye: true });
    await this.#channel.closed;
    clearTimeout(late);
  }

  /** Without a word. */
  leave(): void {
    this.#channel.destroy('given up');
  }

  async #exchange(name: string, job: unknown, signal?: AbortSignal): Promise<unknown> {
    const id = this.#jobs++;
    const settled = new Promise<Outcome>((resolve) => this.#outcomes.set(id, resolve));
    try {
      this.#send({ id, name, job: this.options.toSend(job) });
      const outcome = await this.#unlessStopped(settled, signal);
      if ('thrown' in outcome) throw new Error(`${this.options.name}: ${outcome.thrown}`);
      if ('refused' in outcome) throw new InputError(`${this.options.name}: ${outcome.refused}`);
      return this.options.answered(name, outcome.value);
    } catch (error) {
      if (error instanceof InterruptedError) this.#send({ cancel: id });
      throw error;
    } finally {
      this.#outcomes.delete(id);
    }
  }

  #hear(message: unknown): void {
    const said = reply.parse(message);
    if ('id' in said) this.#outcomes.get(said.id)?.(said.outcome);
    else if (!('beat' in said)) this.#greeted(said);
  }

  #send(message: Request): void {
    this.#channel.send(message);
  }

  /** @throws InterruptedError if the signal fires before */
  async #unlessStopped<T>(work: Promise<T>, signal?: AbortSignal): Promise<T> {
    // A signal of its own for each call: many listeners on one look like a leak to Node, which warns.
    const own = signal && AbortSignal.any([signal]);
    let stop = () => {};
    const stopped = new Promise<never>((_, reject) => {
      stop = () => reject(new InterruptedError('interrupted'));
      own?.addEventListener('abort', stop, { once: true });
    });
    try {
      return await Promise.race([work, this.#lost, stopped]);
    } finally {
      own?.removeEventListener('abort', stop);
    }
  }
}
