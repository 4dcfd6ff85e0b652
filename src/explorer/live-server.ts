/**
 * The page over HTTP, for its own machine alone: it listens on the loopback address, every address holds a token that
 * nobody can guess, and only the page itself may ask. It serves that page and passes on what is asked, and knows no
 * file and no model.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import { InputError, InterruptedError, throwIfAborted } from '../errors.js';
import type { LongCall } from '../progress.js';
import type { LiveLine } from './live.js';

/** Bytes of what is asked. */
const LARGEST = 1 << 20;
/** Asks that wait; more would only be a page gone wrong. */
const MOST_WAITING = 16;
/** Milliseconds for an answer, and for a request to come in. */
const LONGEST = 600_000;
const SLOWEST = 20_000;
/** Names that no other machine has. A page of another site that turns its own name into this address keeps its name. */
const OWN_NAMES = ['127.0.0.1', 'localhost'];

/** What an answer may do on its way. */
export interface LiveCall extends LongCall {
  /** Sends what is known already. */
  onPart?(part: unknown): void;
  /** Lets others be answered that wait for less; to be called where the engine holds nothing half done. */
  giveWay?(): Promise<void>;
}

export interface Answers {
  /** Answers what the page asks; throws InputError where it cannot be answered. */
  answer(asked: string, given: unknown, call: LiveCall): Promise<unknown>;
  /** Who goes first of those that wait: the smallest; of equal ones the first. */
  rankOf(asked: string): number;
}

export interface LiveServer {
  /** Address of the page, with its token. */
  url: string;
  close(): Promise<void>;
}

/**
 * @param page HTML
 * @param port 0: any that is free
 * @throws InputError if the port is taken
 */
export async function serve(page: string, answers: Answers, port: number): Promise<LiveServer> {
  const token = randomBytes(24).toString('base64url');
  const turns = new Turns();
  const stopped = new AbortController();
  const server = createServer(
    { maxHeaderSize: 16_384, requestTimeout: SLOWEST },
    async (request, response) => {
      try {
        const asked = admitted(request, token);
        if (asked === null) send(response, 200, 'text/html; charset=utf-8', page);
        else {
          const given = await bodyOf(request);
          await stream(response, stopped.signal, (call) =>
            turns.take(
              answers.rankOf(asked),
              (giveWay) => answers.answer(asked, given, { ...call, giveWay }),
              call.signal!,
            ),
          );
        }
      } catch (error) {
        // Whoever went away while asking gets no answer.
        if (!(error instanceof Refused)) {
          response.destroy();
          return;
        }
        // The rest of a large body is not read.
        response.setHeader('Connection', 'close');
        send(response, error.status, 'text/plain; charset=utf-8', `${error.message}\n`);
      }
    },
  );
  server.maxConnections = 64;
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(
        error.code === 'EADDRINUSE' || error.code === 'EACCES'
          ? new InputError(
              `--port ${port}: cannot be listened on (${error.code}); name another, or leave it out`,
            )
          : error,
      ),
    );
    server.listen(port, '127.0.0.1', resolve);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/${token}/`,
    close: async () => {
      stopped.abort();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await turns.idle;
    },
  };
}

class Refused extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

/** @returns what is asked, null for the page itself */
function admitted({ method, url = '', headers }: IncomingMessage, token: string): string | null {
  const { host = '', origin } = headers;
  if (!OWN_NAMES.includes(host.replace(/:\d+$/, ''))) throw new Refused(403, 'not for this host');
  const [, given, asked, ...rest] = url.split('/');
  if (!same(given ?? '', token) || rest.length > 0 || asked === undefined)
    throw new Refused(404, 'nothing is here');
  // Browsers say so where another site asks; only POST does anything, and there they always do.
  if (origin !== undefined && origin !== `http://${host}`) throw new Refused(403, 'not for this origin');
  const site = headers['sec-fetch-site'];
  if (asked === '') {
    if (method !== 'GET' && method !== 'HEAD') throw new Refused(405, 'GET the page');
    return null;
  }
  if (method !== 'POST') throw new Refused(405, 'POST what is asked');
  if (origin === undefined || (site !== undefined && site !== 'same-origin'))
    throw new Refused(403, 'the page alone may ask');
  if (headers['content-type'] !== 'application/json') throw new Refused(415, 'ask in application/json');
  return asked;
}

/** In a time that does not say how far two texts agree. */
function same(a: string, b: string): boolean {
  const [left, right] = [a, b].map((text) => createHash('sha256').update(text).digest());
  return timingSafeEqual(left!, right!);
}

async function bodyOf(request: IncomingMessage): Promise<unknown> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of request) {
    size += (part as Buffer).length;
    if (size > LARGEST) throw new Refused(413, `asks have at most ${LARGEST} bytes`);
    parts.push(part as Buffer);
  }
  try {
    return JSON.parse(Buffer.concat(parts).toString());
  } catch {
    throw new Refused(400, 'the body is no JSON');
  }
}

function headersFor(type: string): Record<string, string> {
  return {
    'Content-Type': type,
    'Cache-Control': 'no-store',
    'Content-Security-Policy': "frame-ancestors 'none'",
    'Cross-Origin-Opener-Policy': 'same-origin',
    'Cross-Origin-Resource-Policy': 'same-origin',
    'Referrer-Policy': 'no-referrer',
    'X-Content-Type-Options': 'nosniff',
    'X-Frame-Options': 'DENY',
  };
}

function send(response: ServerResponse, status: number, type: string, text: string): void {
  response.writeHead(status, headersFor(type));
  response.end(text);
}

/** Answers in JSON lines: progress as it comes, then the answer. An ask whose page went away is given up. */
async function stream(
  response: ServerResponse,
  stopped: AbortSignal,
  work: (call: LiveCall) => Promise<unknown>,
): Promise<void> {
  const gone = new AbortController();
  response.on('close', () => gone.abort());
  const late = AbortSignal.timeout(LONGEST);
  const signal = AbortSignal.any([gone.signal, stopped, late]);
  response.writeHead(200, headersFor('application/x-ndjson'));
  const write = (line: LiveLine) => {
    if (!response.destroyed) response.write(`${JSON.stringify(line)}\n`);
  };
  const onProgress: LongCall['onProgress'] = ({ stage, done, total, note }) =>
    write({ progress: { stage, done, total, ...(note !== undefined && { note }) } });
  const onPart = (part: unknown) => write({ part });
  try {
    write({ answer: await work({ signal, onProgress, onPart }) });
  } catch (error) {
    write({ error: messageOf(error, late) });
  }
  response.end();
}

function messageOf(error: unknown, late: AbortSignal): string {
  if (error instanceof InterruptedError)
    return late.aborted ? `took longer than ${LONGEST / 60_000} minutes, and was given up` : 'given up';
  if (error instanceof InputError) return error.message;
  process.stderr.write(
    `orthoscope: a fault of ours: ${error instanceof Error ? error.stack : String(error)}\n`,
  );
  return `a fault of ours: ${error instanceof Error ? error.message : String(error)}`;
}

/** There is one engine: one thing after the other. What was given up while it waited is not begun. */
class Turns {
  readonly #working = new Set<Promise<unknown>>();
  readonly #waiting: { rank: number; begin: () => void }[] = [];
  #taken = false;

  /** Once nothing goes on any more. */
  get idle(): Promise<unknown> {
    return Promise.allSettled(this.#working);
  }

  /** @param work is given what lets others go before the rest of it */
  async take<T>(
    rank: number,
    work: (giveWay: () => Promise<void>) => Promise<T>,
    signal: AbortSignal,
  ): Promise<T> {
    if (this.#waiting.length >= MOST_WAITING)
      throw new InputError('too much is asked at once; wait for an answer');
    const own = this.#inTurn(rank, work, signal);
    this.#working.add(own);
    try {
      return await own;
    } finally {
      this.#working.delete(own);
    }
  }

  async #inTurn<T>(
    rank: number,
    work: (giveWay: () => Promise<void>) => Promise<T>,
    signal: AbortSignal,
  ): Promise<T> {
    await this.#turn(rank);
    try {
      // Lets a page that went away be heard.
      await setImmediate();
      throwIfAborted(signal);
      return await work(async () => {
        // Lets those who ask be heard.
        await setImmediate();
        throwIfAborted(signal);
        if (!this.#waiting.some((other) => other.rank < rank)) return;
        this.#next();
        await this.#turn(rank);
        throwIfAborted(signal);
      });
    } finally {
      this.#next();
    }
  }

  async #turn(rank: number): Promise<void> {
    if (this.#taken) await new Promise<void>((begin) => this.#waiting.push({ rank, begin }));
    this.#taken = true;
  }

  #next(): void {
    const first = this.#waiting.reduce<number>(
      (best, { rank }, at) => (best === -1 || rank < this.#waiting[best]!.rank ? at : best),
      -1,
    );
    // It stays taken where somebody goes on at once: whoever asks meanwhile waits.
    if (first === -1) this.#taken = false;
    else this.#waiting.splice(first, 1)[0]!.begin();
  }
}
