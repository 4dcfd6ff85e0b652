/**
 * A process of its own that runs the tokenizers library: the only importer of `tokenizers`, Python's library in its
 * build for Node. A file that the library does not expect, or a pattern that it gives up on, ends this process alone.
 */
import { readFile } from 'node:fs/promises';
import type { Tokenizer } from 'tokenizers';
import type { AddedToken as TokenToAdd } from './added-tokens.js';

/** What the process is asked. `tokenizer` is a number that the asking side chose when it opened one. */
export type Request =
  | { ask: 'open'; tokenizer: number; path: string; named: Named }
  | { ask: 'close'; tokenizer: number }
  | { ask: 'encode'; tokenizer: number; text: string }
  | { ask: 'encode all'; tokenizer: number; texts: readonly string[] }
  | { ask: 'decode'; tokenizer: number; ids: readonly number[] }
  | { ask: 'show'; tokenizer: number; ids: readonly number[]; after: readonly number[] }
  | { ask: 'id'; tokenizer: number; token: string };

/** What the asking side has read in the file: listing all tokens would take the library longer than opening it. */
export interface Named {
  /** Highest id of the model's vocabulary. */
  highest: number;
  /** Tokens that are not of the vocabulary, or that stand out in it. */
  added: readonly string[];
  /** Tokens that other files add. */
  toAdd: readonly TokenToAdd[];
  /** Spelling of the token that stands for what the vocabulary lacks. */
  unknown: string | null;
}

/** What it knows of a tokenizer that it opened. */
export interface Opened {
  /** Highest id + 1. */
  size: number;
  unknownId: number | null;
}

/** A token as the vocabulary has it, null where it has none, and the text that it ends when it stands after others. */
export interface Shown {
  spelling: string | null;
  text: string;
}

/** `lost`: the process ended, and with it every tokenizer that it had opened. */
export type Reply = { answer: unknown } | { fault: string; lost?: boolean };

const tokenizers = new Map<number, Tokenizer>();
const BARE = { addSpecialTokens: false };

// Ctrl-C reaches the whole group of processes; the parent decides what it means.
process.on('SIGINT', () => {});
process.on('disconnect', () => process.exit());
process.on('message', async (request: Request) => {
  let reply: Reply;
  try {
    reply = { answer: await answer(request) };
  } catch (error) {
    reply = { fault: (error as Error).message };
  }
  if (process.connected) process.send!(reply);
});

async function answer(request: Request): Promise<unknown> {
  if (request.ask === 'open') return open(request.tokenizer, request.path, request.named);
  const tokenizer = tokenizers.get(request.tokenizer)!;
  switch (request.ask) {
    case 'close':
      return tokenizers.delete(request.tokenizer);
    case 'encode':
      return encode(tokenizer, request.text);
    case 'encode all':
      return encodeAll(tokenizer, request.texts);
    case 'decode':
      return tokenizer.decode([...request.ids], false);
    case 'show':
      return show(tokenizer, request.ids, request.after);
    case 'id':
      return tokenizer.tokenToId(request.token);
  }
}

async function encode(tokenizer: Tokenizer, text: string): Promise<number[]> {
  return (await tokenizer.encode(text, null, BARE)).getIds();
}

/** Null for each text that the library refuses. */
async function encodeAll(tokenizer: Tokenizer, texts: readonly string[]): Promise<(number[] | null)[]> {
  try {
    return (await tokenizer.encodeBatch([...texts], BARE)).map((each) => each.getIds());
  } catch {
    // It refuses all of them where it refuses one.
    const each: (number[] | null)[] = [];
    for (const text of texts) each.push(await encode(tokenizer, text).catch(() => null));
    return each;
  }
}

async function show(
  tokenizer: Tokenizer,
  ids: readonly number[],
  after: readonly number[],
): Promise<Shown[]> {
  const texts = await tokenizer.decodeBatch(
    ids.map((id) => [...after, id]),
    false,
  );
  return ids.map((id, i) => ({ spelling: tokenizer.idToToken(id), text: texts[i]! }));
}

async function open(
  number: number,
  path: string,
  { highest, added, toAdd, unknown }: Named,
): Promise<Opened> {
  // Its own words guess at a fault of npm's; all of its builds are in the one package.
  const { AddedToken, Tokenizer } = await import('tokenizers').catch(() => {
    throw new Error(
      `the tokenizers library does not load: it has no build for this machine (${process.platform}-${process.arch}), or its package is damaged; without it no text has token ids`,
    );
  });
  // Read by Node, which also finds files of packages that Yarn keeps zipped.
  const tokenizer = Tokenizer.fromString(
    new TextDecoder('utf-8', { fatal: true }).decode(await readFile(path)),
  );
  // Python's callers switch both off: they would cut or fill up a prompt.
  tokenizer.disableTruncation();
  tokenizer.disablePadding();
  if (toAdd.length > 0)
    tokenizer.addAddedTokens(
      toAdd.map(
        ({ content, special, lstrip, rstrip, normalized, single_word }) =>
          new AddedToken(content, special, {
            leftStrip: lstrip,
            rightStrip: rstrip,
            normalized,
            singleWord: single_word,
          }),
      ),
    );
  tokenizers.set(number, tokenizer);
  const known = [...added, ...toAdd.map(({ content }) => content)];
  const size = 1 + known.reduce((most, token) => Math.max(most, tokenizer.tokenToId(token) ?? -1), highest);
  return { size, unknownId: unknown === null ? null : tokenizer.tokenToId(unknown) };
}
