/**
 * Python's tokenizers library, asked as plain functions: it answers by promise and lives in a process of its own, but
 * generators, linters and readers want a few tokens in the middle of plain code, so the caller sleeps until the reply.
 */
import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from 'node:worker_threads';
import { builtFile } from '../built-file.js';
import { InputError } from '../errors.js';
import type { Opened, Reply, Request } from './tokenizer-process.js';
import type { ThreadData } from './tokenizer-thread.js';

type Question = Request extends infer Each ? (Each extends Request ? Omit<Each, 'tokenizer'> : never) : never;

const TEXTS_KEPT = 10_000;
const LONGEST_KEPT = 500;

/** One `tokenizer.json`, opened. */
export class OpenedTokenizer implements Opened {
  readonly size: number;
  readonly unknownId: number | null;
  readonly #number: number;
  /** The process's life in which it was opened last. */
  #life: number;
  /** Generators and linters ask for the same words and prompts again and again. */
  readonly #known = new Map<string, number[]>();

  /**
   * @param unknown spelling of the token that stands for what the vocabulary lacks
   * @throws InputError if the library refuses the file or breaks down on it
   */
  constructor(
    readonly path: string,
    readonly unknown: string | null,
  ) {
    this.#number = ++opened;
    this.#life = lives;
    const { size, unknownId } = this.#open();
    this.size = size;
    this.unknownId = unknownId;
    unused.register(this, this.#number);
  }

  /** Ids of the text alone. @throws InputError if the library cannot: a word that nothing stands for, half a character */
  encode(text: string): number[] {
    if (/\p{Cs}/u.test(text))
      throw new InputError(
        `${this.path}: the text has half a character (a lone surrogate), which no token stands for`,
      );
    let ids = this.#known.get(text);
    if (!ids) {
      ids = this.#ask({ ask: 'encode', text }) as number[];
      if (this.#known.size === TEXTS_KEPT) this.#known.clear();
      if (text.length <= LONGEST_KEPT) this.#known.set(text, ids);
    }
    return [...ids];
  }

  /** Text of ids, special tokens spelled out. */
  decode(ids: readonly number[]): string {
    return this.#ask({ ask: 'decode', ids }) as string;
  }

  /** As the vocabulary has it; null where it has no such id. */
  spelling(id: number): string | null {
    return this.#ask({ ask: 'spelling', id }) as string | null;
  }

  id(token: string): number | null {
    return this.#ask({ ask: 'id', token }) as number | null;
  }

  #open(): Opened {
    this.#life = lives;
    return this.#answer({ ask: 'open', path: this.path, unknown: this.unknown }) as Opened;
  }

  #ask(question: Question): unknown {
    if (this.#life !== lives) this.#open();
    return this.#answer(question);
  }

  #answer(question: Question): unknown {
    const reply = call({ ...question, tokenizer: this.#number } as Request);
    if ('answer' in reply) return reply.answer;
    if (reply.lost) lives++;
    const fault = reply.fault.replace(/^Error loading from file/, '').replace(/[\s\p{Cc}]+/gu, ' ');
    throw new InputError(`${this.path}: ${fault.slice(0, 300)}`);
  }
}

let opened = 0;
/** How often the process began anew: tokenizers of an earlier life must be opened again. */
let lives = 0;

const unused = new FinalizationRegistry<number>((tokenizer) => call({ ask: 'close', tokenizer }));

let thread: { port: MessagePort; state: Int32Array } | undefined;

function call(request: Request): Reply {
  thread ??= start();
  const { port, state } = thread;
  const before = Atomics.load(state, 0);
  port.postMessage(request);
  // In a loop: a thread may wake us late, when the reply that it means has been read already and the next is awaited.
  while (Atomics.load(state, 0) === before) Atomics.wait(state, 0, before);
  return receiveMessageOnPort(port)!.message as Reply;
}

function start(): NonNullable<typeof thread> {
  const signal = new SharedArrayBuffer(4);
  const { port1, port2 } = new MessageChannel();
  const worker = new Worker(builtFile('src/formats/tokenizer-thread.js'), {
    workerData: { port: port2, signal } satisfies ThreadData,
    transferList: [port2],
    execArgv: [],
  });
  // Neither keeps a program alive that has nothing else to do.
  worker.unref();
  port1.unref();
  return { port: port1, state: new Int32Array(signal) };
}
