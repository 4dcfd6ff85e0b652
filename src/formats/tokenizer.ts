/** Text to token ids and back: the only importer of @huggingface/tokenizers. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Tokenizer as LibraryTokenizer } from '@huggingface/tokenizers';
import { InputError } from '../errors.js';
import { isRecord, readJson } from './json-file.js';

export interface Tokenizer {
  /** Highest id + 1. */
  readonly size: number;
  /** Whether {@link encode} puts a token in front of the text. */
  readonly addsBos: boolean;
  /** The token that stands for what the vocabulary lacks; null if there is none. */
  readonly unknownId: number | null;
  /**
   * Ids of a prompt, led by the special tokens that the tokenizer's own configuration puts there. Those
   * that it would put behind are left off: the prompt is to be continued.
   */
  encode(text: string): number[];
  /** Ids of the text alone. */
  encodeBare(text: string): number[];
  /**
   * Ids that `text` takes when it follows `prompt`, whose own ids stay as they are. Where the two would merge
   * into one token across the border, these are the ids of the text by itself.
   */
  continuation(prompt: string, text: string): number[];
  /** Special tokens are spelled out. */
  decode(ids: readonly number[]): string;
  /** One token as text, with the space it may begin with; as the vocabulary spells it where it is no whole text. */
  token(id: number): string;
}

export interface TokenizerOptions {
  /** Whether prompts begin with the beginning-of-text token; `auto` follows the tokenizer's configuration. */
  bos?: 'auto' | 'always' | 'never';
}

/**
 * Opens `tokenizer.json` and, if there is one, `tokenizer_config.json`. With `bos: 'auto'`, `add_bos_token` of the
 * latter decides; without it the post-processor of the former does.
 * @throws InputError if the first is missing, either is damaged, or a beginning token is asked for and not known
 */
export async function openTokenizer(
  folder: string,
  { bos = 'auto' }: TokenizerOptions = {},
): Promise<Tokenizer> {
  const path = join(folder, 'tokenizer.json');
  const definition = await readJson(path);
  const configPath = join(folder, 'tokenizer_config.json');
  const config = existsSync(configPath) ? await readJson(configPath) : {};
  let library: Library;
  let leading: number[];
  try {
    library = new (LibraryTokenizer as LibraryConstructor)(definition, {
      ...config,
      unk_token: unknownToken(definition),
    });
    leading = leadingTokens(library);
  } catch (error) {
    throw new InputError(
      `${path}: not a tokenizer that can be read (${(error as Error).message.replace(/\s+/g, ' ')})`,
    );
  }

  const wanted = bos === 'auto' ? (config.add_bos_token ?? null) : bos === 'always';
  if (wanted === false) leading = [];
  else if (wanted === true && leading.length === 0) leading = [bosId(library, config, path)];
  return new FolderTokenizer(library, leading, path);
}

/** The part of the library that is used here; its own type declarations do not resolve under NodeNext. */
interface Library {
  model: { vocab: (string | undefined)[]; unk_token_id?: number };
  /** An id is undefined where a word-level vocabulary has neither the word nor an unknown token. */
  encode(
    text: string,
    options: { add_special_tokens: boolean },
  ): { ids: (number | undefined)[]; tokens: string[] };
  decode(
    ids: number[],
    options: { skip_special_tokens: boolean; clean_up_tokenization_spaces: boolean },
  ): string;
  id_to_token(id: number): string | undefined;
  token_to_id(token: string): number | undefined;
}

type LibraryConstructor = new (definition: object, config: object) => Library;

class FolderTokenizer implements Tokenizer {
  readonly size: number;
  readonly addsBos: boolean;
  readonly unknownId: number | null;
  /** Tokens in front of one that is shown, because many decoders treat the first token of a text differently. */
  readonly #anchor: number[];

  constructor(
    readonly library: Library,
    readonly leading: readonly number[],
    readonly path: string,
  ) {
    this.size = library.model.vocab.findLastIndex((token) => token !== undefined) + 1;
    this.addsBos = leading.length > 0;
    this.unknownId = library.model.unk_token_id ?? null;
    this.#anchor = this.encodeBare('a');
  }

  encode(text: string): number[] {
    return [...this.leading, ...this.encodeBare(text)];
  }

  encodeBare(text: string): number[] {
    const { ids, tokens } = this.library.encode(text, { add_special_tokens: false });
    const missing = ids.indexOf(undefined);
    if (missing >= 0)
      throw new InputError(
        `${this.path}: no token for ${JSON.stringify(tokens[missing])} and none for the unknown`,
      );
    return ids as number[];
  }

  continuation(prompt: string, text: string): number[] {
    const before = this.encode(prompt);
    const whole = this.encode(prompt + text);
    if (before.every((id, i) => whole[i] === id)) return whole.slice(before.length);
    // Some tokenizers put a space in front of every text, so that " she" by itself would begin with two.
    const spaced = text.startsWith(' ') ? this.encodeBare(text.slice(1)) : [];
    return this.#following(spaced) === text ? spaced : this.encodeBare(text);
  }

  decode(ids: readonly number[]): string {
    return ids.length === 0
      ? ''
      : this.library.decode([...ids], { skip_special_tokens: false, clean_up_tokenization_spaces: false });
  }

  token(id: number): string {
    const spelling = this.library.id_to_token(id);
    if (spelling === undefined) return `<no token ${id}>`;
    const text = this.#following([id]);
    return text === '' || text.includes('\uFFFD') ? spelling : text;
  }

  /** What the ids add to a text that they follow. */
  #following(ids: readonly number[]): string {
    return this.decode([...this.#anchor, ...ids]).slice(this.decode(this.#anchor).length);
  }
}

/** The library looks for a word-level model's unknown token in the wrong one of the two files. */
function unknownToken(definition: Record<string, unknown>): unknown {
  return isRecord(definition.model) ? definition.model.unk_token : undefined;
}

/** What the post-processor puts in front of a text: the two encodings of a text are laid side by side. */
function leadingTokens(library: Library): number[] {
  const bare = library.encode('a', { add_special_tokens: false }).ids;
  const full = library.encode('a', { add_special_tokens: true }).ids;
  for (let start = 0; start + bare.length <= full.length; start++)
    if (bare.every((id, i) => full[start + i] === id)) return full.slice(0, start) as number[];
  return [];
}

function bosId(library: Library, config: Record<string, unknown>, path: string): number {
  const token = isRecord(config.bos_token) ? config.bos_token.content : config.bos_token;
  const id = typeof token === 'string' ? library.token_to_id(token) : undefined;
  if (id === undefined)
    throw new InputError(
      `${path}: a beginning-of-text token is asked for, but tokenizer_config.json names none that the vocabulary has`,
    );
  return id;
}
