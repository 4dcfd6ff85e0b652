/** Asks the engine behind the page, where there is one. */
import { useEffect, useState } from 'preact/hooks';
import type { AskName, Asks, LiveLine } from '../live.js';
import { parsed } from './text.js';

export interface Call {
  signal?: AbortSignal;
  onProgress?(progress: NonNullable<LiveLine['progress']>): void;
}

/** @throws Error with what is wrong in one line, and an AbortError once the signal has fired */
export async function ask<Name extends AskName>(
  name: Name,
  given: Asks[Name]['ask'],
  { signal, onProgress }: Call = {},
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
  for await (const text of lines(response.body!)) {
    const { progress, answer, error } = parsed<LiveLine>(text);
    if (progress) onProgress?.(progress);
    else if (error !== undefined) throw new Error(error);
    else return answer as Asks[Name]['answer'];
  }
  throw new Error('the engine went away before it had answered');
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

export interface Asking<Answer> {
  /** The last one, which is an older one while `busy`. */
  answer: Answer | null;
  busy: boolean;
  error: string;
}

const known = new Map<string, unknown>();
/** What is asked is answered once; the oldest answers go first. */
const MOST_KNOWN = 200;
/** Milliseconds to wait for the next key or drag before asking. */
const PAUSE = 120;

/** Asks anew whenever what is asked changes; the older ask is given up. @param given null: nothing is asked */
export function useAsk<Name extends AskName>(
  name: Name,
  given: Asks[Name]['ask'] | null,
): Asking<Asks[Name]['answer']> {
  const key = given && `${name} ${JSON.stringify(given)}`;
  const [state, setState] = useState<Asking<Asks[Name]['answer']>>({ answer: null, busy: false, error: '' });
  useEffect(() => {
    if (key === null) {
      setState({ answer: null, busy: false, error: '' });
      return;
    }
    if (known.has(key)) {
      setState({ answer: known.get(key) as Asks[Name]['answer'], busy: false, error: '' });
      return;
    }
    const abort = new AbortController();
    setState(({ answer }) => ({ answer, busy: true, error: '' }));
    const timer = setTimeout(async () => {
      try {
        const answer = await ask(name, given!, { signal: abort.signal });
        known.set(key, answer);
        if (known.size > MOST_KNOWN) known.delete(known.keys().next().value!);
        setState({ answer, busy: false, error: '' });
      } catch (error) {
        if (!abort.signal.aborted) setState({ answer: null, busy: false, error: (error as Error).message });
      }
    }, PAUSE);
    return () => {
      clearTimeout(timer);
      abort.abort();
    };
  }, [key]);
  return state;
}
