/** Asks the engine behind the page, where there is one. */
import { useEffect, useState } from 'preact/hooks';
import type { AskName, Asks, LiveLine, PartOf } from '../live.js';
import { parsed } from './text.js';

export interface Progress {
  /** What is being computed. */
  stage: string;
  /** 0 … 1. */
  share: number;
  /** Seconds, as far as can be told; null: not yet. */
  left: number | null;
  note: string;
}

export interface Call<Name extends AskName> {
  signal?: AbortSignal;
  onProgress?(progress: Progress): void;
  /** Called with what is known of the answer already. */
  onPart?(part: PartOf<Name>): void;
}

/** @throws Error with what is wrong in one line, and an AbortError once the signal has fired */
export async function ask<Name extends AskName>(
  name: Name,
  given: Asks[Name]['ask'],
  { signal, onProgress, onPart }: Call<Name> = {},
): Promise<Asks[Name]['answer']> {
  const response = await fetch(name, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(given),
    signal,
  }).catch((error: Error) => {
    if (error.name === 'AbortError') throw error;
    throw new Error(
      'the engine does not answer any more; start “orthoscope view” again and open its address',
    );
  });
  if (!response.ok) throw new Error((await response.text()).trim());
  const toGo = new ToGo();
  for await (const text of lines(response.body!)) {
    const { progress, part, answer, error } = parsed<LiveLine>(text);
    if (progress) onProgress?.(toGo.after(progress));
    else if (part !== undefined) onPart?.(part as PartOf<Name>);
    else if (error !== undefined) throw new Error(error);
    else return answer as Asks[Name]['answer'];
  }
  throw new Error('the engine went away before it had answered');
}

/** Time left, from how long what is done has taken. What waits for others has not begun. */
class ToGo {
  #began: { at: number; share: number } | null = null;

  after({ stage, done, total, note = '' }: NonNullable<LiveLine['progress']>): Progress {
    const share = done / total;
    this.#began ??= { at: performance.now(), share };
    const grown = share - this.#began.share;
    const seconds = (performance.now() - this.#began.at) / 1000;
    return { stage, share, note, left: grown > 0 ? (seconds / grown) * (1 - share) : null };
  }
}

async function* lines(body: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const parts = (rest + decoder.decode(value, { stream: true })).split('\n');
    rest = parts.pop()!;
    yield* parts;
  }
}

export interface Asking<Name extends AskName> {
  /** The last one, which is an older one while `busy`. */
  answer: Asks[Name]['answer'] | null;
  /** What is known of the next one while `busy`. */
  part: PartOf<Name> | null;
  progress: Progress | null;
  busy: boolean;
  error: string;
}

const known = new Map<string, unknown>();
/** What is asked is answered once; the oldest answers go first. */
const MOST_KNOWN = 200;
/** Milliseconds to wait for the next key or drag before asking. */
const PAUSE = 120;

const IDLE = { answer: null, part: null, progress: null, busy: false, error: '' };

/** Asks anew whenever what is asked changes; the older ask is given up. @param given null: nothing is asked */
export function useAsk<Name extends AskName>(name: Name, given: Asks[Name]['ask'] | null): Asking<Name> {
  const key = given && `${name} ${JSON.stringify(given)}`;
  const [state, setState] = useState<Asking<Name>>(IDLE);
  useEffect(() => {
    if (key === null) {
      setState(IDLE);
      return;
    }
    if (known.has(key)) {
      setState({ ...IDLE, answer: known.get(key) as Asks[Name]['answer'] });
      return;
    }
    const abort = new AbortController();
    setState(({ answer }) => ({ ...IDLE, answer, busy: true }));
    const timer = setTimeout(async () => {
      try {
        const answer = await ask(name, given!, {
          signal: abort.signal,
          onProgress: (progress) => setState((before) => ({ ...before, progress })),
          onPart: (part) => setState((before) => ({ ...before, part })),
        });
        known.set(key, answer);
        if (known.size > MOST_KNOWN) known.delete(known.keys().next().value!);
        setState({ ...IDLE, answer });
      } catch (error) {
        if (!abort.signal.aborted) setState({ ...IDLE, error: (error as Error).message });
      }
    }, PAUSE);
    return () => {
      clearTimeout(timer);
      abort.abort();
    };
  }, [key]);
  return state;
}
