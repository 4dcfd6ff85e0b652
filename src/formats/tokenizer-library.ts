/**
 * Python's tokenizers library, asked as plain functions: it answers by promise and lives in a process of its own, but
 * generators, linters and readers want a few tokens in the middle of plain code, so the caller sleeps until the reply.
 */
import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from 'node:worker_threads';
import { builtFile } from '../built-file.js';
import { InputError } from '../errors.js';
import type { Named, Opened, Reply, Request, Shown } from './tokenizer-process.js';
import type { ThreadData } from './tokenizer-thread.js';

type Question = Request extends infer Each ? (Each extends Request ? Omit<Each, 'tokenizer'> : never) : never;

/** Texts in one message: a breakdown or a hang costs at most these. */
const TEXTS_AT_ONCE = 2000;

/** One `tokenizer.json`, opened. */
export class OpenedTokenizer implements Opened {
  readonly size: number;
  readonly unknownId: number | null;
  readonly #number: number;
  /** The process's life in which it was opened last. */
  #life: number;
  readonly #known = new KnownTexts();

  /** @throws InputError if the library refuses the file or breaks down on it */
  constructor(
    readonly path: string,
    readonly named: Named,
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
    let ids = this.#known.get(text);
    if (!ids) {
      if (HALF_A_CHARACTER.test(text))
        throw new InputError(
          `${this.path}: the text has half a character (a lone surrogate), which no token stands for`,
        );
      ids = this.#ask({ ask: 'encode', text }) as number[];
      this.#known.set(text, ids);
    }
    return [...ids];
  }

  /**
   * Encodes texts that {@link encode} will be asked for, many in one message. A text that the library refuses or breaks
   * down on is left out, so that it fails when it is asked for; so are those beyond what can be kept until then.
   */
  encodeAhead(texts: readonly string[]): void {
    let room = MOST_AHEAD;
    const wanted = [...new Set(texts)].filter((text) => {
      if (this.#known.get(text) || HALF_A_CHARACTER.test(text) || text.length > room) return false;
      room -= text.length;
      return true;
    });
    for (let from = 0; from < wanted.length; from += TEXTS_AT_ONCE) {
      const some = wanted.slice(from, from + TEXTS_AT_ONCE);
      try {
        const ids = this.#ask({ ask: 'encode all', texts: some }) as (number[] | null)[];
        for (const [i, text] of some.entries()) if (ids[i]) this.#known.set(text, ids[i]);
      } catch (error) {
        if (!(error instanceof InputError)) throw error;
      }
    }
  }

  /** Text of ids, special tokens spelled out. */
  decode(ids: readonly number[]): string {
    return this.#ask({ ask: 'decode', ids }) as string;
  }

  /** Tokens one by one, each behind the ids `after`. */
  show(ids: readonly number[], after: readonly number[]): Shown[] {
    return this.#ask({ ask: 'show', ids, after }) as Shown[];
  }

  id(token: string): number | null {
    return this.#ask({ ask: 'id', token }) as number | null;
  }

  #open(): Opened {
    this.#life = lives;
    return this.#answer({ ask: 'open', path: this.path, named: this.named }) as Opened;
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

const HALF_A_CHARACTER = /\p{Cs}/u;

/** Most characters and ids of each half of the texts that are kept. A sentence of a task is about 80 of them. */
const KEPT = 4_000_000;

/** Most characters that are encoded ahead, so that none is forgotten before it is asked for. */
const MOST_AHEAD = KEPT / 2;

/** Ids of the texts encoded last, as generators, linters and readers ask for the same ones again and again. */
class KnownTexts {
  #recent = new Map<string, number[]>();
  #before = new Map<string, number[]>();
  #size = 0;

  get(text: string): number[] | undefined {
    const recent = this.#recent.get(text);
    if (recent) return recent;
    const ids = this.#before.get(text);
    if (ids) this.set(text, ids);
    return ids;
  }

  set(text: string, ids: number[]): void {
    const size = text.length + ids.length;
    if (size > KEPT) return;
    if (this.#size + size > KEPT) {
      this.#before = this.#recent;
      this.#recent = new Map();
      this.#size = 0;
    }
    this.#recent.set(text, ids);
    this.#size += size;
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
