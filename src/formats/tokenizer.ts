/** Text to token ids and back, as a model folder's tokenizer files say. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { InputError } from '../errors.js';
import { type AddedToken, type BesideTokenizer, tokensToAdd } from './added-tokens.js';
import { isRecord, readJson } from './json-file.js';
import { OpenedTokenizer } from './tokenizer-library.js';
import type { Named } from './tokenizer-process.js';

export interface Tokenizer {
  /** Highest id + 1. */
  readonly size: number;
  /** Whether {@link encode} puts a token in front of the text. */
  readonly addsBos: boolean;
  /** The same in words, and what is doubtful about it: it decides what the model sees. */
  readonly bosNote: string;
  /** The token that stands for what the vocabulary lacks; null if there is none. */
  readonly unknownId: number | null;
  /**
   * Ids of a prompt, led by the special tokens that the tokenizer's own configuration puts there. Those
   * that it would put behind are left off: the prompt is to be continued.
   */
  encode(text: string): number[];
  /**
   * Ids of the text alone.
   * @throws InputError if no token stands for a part of it
   */
  encodeBare(text: string): number[];
  /**
   * Encodes texts that will be asked for, in a fraction of the time that they take one by one. Changes no result and
   * refuses nothing: a text without ids fails when it is asked for.
   */
  encodeAhead(texts: readonly string[]): void;
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
 * Opens `tokenizer.json`, and beside it `tokenizer_config.json` and `config.json` where there are any, and adds the
 * tokens that the folder's other files name ({@link tokensToAdd}). With
 * `bos: 'auto'` prompts begin as transformers 5 begins them: as the post-processor of `tokenizer.json` says, whatever
 * `add_bos_token` says, but for the classes in `BOS_OF_CLASS`.
 * @throws InputError if the first is missing or the library refuses it, any is damaged, or a beginning token is asked
 *   for and not known
 */
export async function openTokenizer(
  folder: string,
  { bos = 'auto' }: TokenizerOptions = {},
): Promise<Tokenizer> {
  const path = join(folder, 'tokenizer.json');
  const definition = await readJson(path);
  const beside = await besideTokenizer(folder);
  const { config } = beside;
  const { model_type } = await readIfThere(join(folder, 'config.json'));
  if (!isRecord(definition.model)) throw new InputError(`${path}: has no "model"; is it a tokenizer?`);
  if (definition.model.dropout)
    throw new InputError(
      `${path}: "dropout" is ${definition.model.dropout}: the same text would get other tokens each time`,
    );
  const toAdd = tokensToAdd(definition.added_tokens, beside);
  const library = new OpenedTokenizer(path, namedTokens(definition.model, definition.added_tokens, toAdd));

  const processor = leadingTokens(definition.post_processor, path);
  const className = classOf(config, model_type);
  checkPrefixSpace(className, config, definition.pre_tokenizer, path);
  const wanted = bos === 'auto' ? (BOS_OF_CLASS[className] ?? processor.length > 0) : bos === 'always';
  const leading = !wanted ? [] : processor.length > 0 ? processor : [bosId(library, config)];
  return new FolderTokenizer(library, leading, bos === 'auto' ? doubtOf(className, config, wanted) : '');
}

/** Classes that build their own post-processor, in transformers 5. */
const BOS_OF_CLASS: Record<string, boolean> = { GPTNeoXTokenizer: false, CodeLlamaTokenizer: true };

/** Classes that obey `add_bos_token` in transformers 4, and what they take where it is not given. */
const BOS_IN_TRANSFORMERS_4: Record<string, boolean> = {
  LlamaTokenizer: true,
  CodeLlamaTokenizer: true,
  GemmaTokenizer: true,
  CohereTokenizer: true,
  GPTNeoXTokenizer: false,
};

/** Classes by `model_type`, where tokenizer_config.json names none. */
const CLASS_OF_MODEL: Record<string, string> = {
  llama: 'LlamaTokenizer',
  mistral: 'LlamaTokenizer',
  gemma: 'GemmaTokenizer',
  gemma2: 'GemmaTokenizer',
  gemma3_text: 'GemmaTokenizer',
  gemma3: 'GemmaTokenizer',
  gpt_neox: 'GPTNeoXTokenizer',
};

function classOf(config: Record<string, unknown>, modelType: unknown): string {
  const { tokenizer_class } = config;
  if (typeof tokenizer_class === 'string') return tokenizer_class.replace(/Fast$/, '');
  return CLASS_OF_MODEL[String(modelType)] ?? '';
}

/** Classes that obey `add_prefix_space` of the config, whatever their pre-tokenizer says. */
const PREFIX_SPACE = new Set(['GPT2Tokenizer', 'RobertaTokenizer']);

/** @throws InputError if the config wants another beginning of texts than `tokenizer.json` gives them */
function checkPrefixSpace(
  className: string,
  { add_prefix_space: wanted }: Readonly<Record<string, unknown>>,
  preTokenizer: unknown,
  path: string,
): void {
  if (typeof wanted !== 'boolean' || !PREFIX_SPACE.has(className) || !isRecord(preTokenizer)) return;
  const { type, add_prefix_space: given } = preTokenizer;
  if (type === 'ByteLevel' && typeof given === 'boolean' && given !== wanted)
    throw new InputError(
      `${path}: "add_prefix_space" is ${given}, but ${wanted} in tokenizer_config.json: it is not clear how texts begin; make them alike`,
    );
}

/** What is to be said where transformers 4 begins prompts in another way than transformers 5. */
function doubtOf(className: string, { add_bos_token }: Record<string, unknown>, wanted: boolean): string {
  const byDefault = BOS_IN_TRANSFORMERS_4[className];
  const before = typeof add_bos_token === 'boolean' && byDefault !== undefined ? add_bos_token : byDefault;
  if (before === undefined || before === wanted) return '';
  return `, as transformers 5 has it; transformers 4 begins them ${before ? 'with' : 'without'} one (--bos ${before ? 'always' : 'never'})`;
}

/** Tokens that are decoded in one message. */
const SHOWN_AT_ONCE = 256;

class FolderTokenizer implements Tokenizer {
  readonly size: number;
  readonly unknownId: number | null;
  readonly addsBos: boolean;
  readonly bosNote: string;
  /** Tokens in front of one that is shown, because many decoders treat the first token of a text differently. */
  readonly #anchor: number[];
  readonly #anchorText: string;
  readonly #shown = new Map<number, string>();

  constructor(
    readonly library: OpenedTokenizer,
    readonly leading: readonly number[],
    doubt: string,
  ) {
    this.size = library.size;
    this.unknownId = library.unknownId;
    this.addsBos = leading.length > 0;
    this.bosNote = `prompts begin ${this.addsBos ? 'with' : 'without'} a beginning-of-text token${doubt}`;
    this.#anchor = knownText(library);
    this.#anchorText = this.decode(this.#anchor);
  }

  encode(text: string): number[] {
    return [...this.leading, ...this.encodeBare(text)];
  }

  encodeBare(text: string): number[] {
    return this.library.encode(text);
  }

  encodeAhead(texts: readonly string[]): void {
    this.library.encodeAhead(texts);
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
    return ids.length === 0 ? '' : this.library.decode(ids);
  }

  token(id: number): string {
    if (!(id >= 0 && id < this.size)) return `<no token ${id}>`;
    if (!this.#shown.has(id)) this.#showAround(id);
    return this.#shown.get(id)!;
  }

  /** Shows a token and its neighbours, as a list of tokens asks for many of them, one by one. */
  #showAround(id: number): void {
    const first = id - (id % SHOWN_AT_ONCE);
    const neighbours = Array.from(
      { length: Math.min(SHOWN_AT_ONCE, this.size - first) },
      (_, i) => first + i,
    );
    try {
      this.#show(neighbours);
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      // The library may have refused, or broken down on, a neighbour that nobody asked for.
      this.#show([id]);
    }
  }

  #show(ids: readonly number[]): void {
    const shown = this.library.show(ids, this.#anchor);
    for (const [i, { spelling, text }] of shown.entries())
      this.#shown.set(ids[i]!, this.#asShown(ids[i]!, spelling, text.slice(this.#anchorText.length)));
  }

  #asShown(id: number, spelling: string | null, text: string): string {
    if (spelling === null) return `<no token ${id}>`;
    return text === '' || text.includes('\uFFFD') ? spelling : text;
  }

  /** What the ids add to a text that they follow. */
  #following(ids: readonly number[]): string {
    return this.decode([...this.#anchor, ...ids]).slice(this.#anchorText.length);
  }
}

/** Ids of an "a"; none where the vocabulary has neither that nor an unknown token. */
function knownText(library: OpenedTokenizer): number[] {
  try {
    return library.encode('a');
  } catch {
    return [];
  }
}

async function readIfThere(path: string): Promise<Record<string, unknown>> {
  return existsSync(path) ? readJson(path) : {};
}

async function besideTokenizer(folder: string): Promise<BesideTokenizer> {
  const config = await readIfThere(join(folder, 'tokenizer_config.json'));
  // Only older folders have them for something else than their like in the config.
  const older = async (name: string) =>
    isRecord(config.added_tokens_decoder) ? {} : readIfThere(join(folder, name));
  return {
    config,
    specialTokens: await older('special_tokens_map.json'),
    addedTokens: await older('added_tokens.json'),
  };
}

function namedTokens(
  { unk_token, unk_id, vocab }: Record<string, unknown>,
  addedTokens: unknown,
  toAdd: readonly AddedToken[],
): Named {
  // A dictionary, or Unigram's list of tokens and scores, which gives the place of the unknown one.
  const token = typeof unk_id === 'number' && Array.isArray(vocab) ? vocab[unk_id]?.[0] : unk_token;
  let highest = Array.isArray(vocab) ? vocab.length - 1 : -1;
  if (isRecord(vocab)) for (const key in vocab) highest = Math.max(highest, Number(vocab[key]));
  const added = Array.isArray(addedTokens) ? addedTokens.map((each) => String(each?.content)) : [];
  return { highest, added, toAdd, unknown: typeof token === 'string' ? token : null };
}

/**
 * What a post-processor puts in front of a text. The library has checked its form, but not that a template's special
 * tokens are described. https://huggingface.co/docs/tokenizers/api/post-processors
 */
function leadingTokens(processor: unknown, path: string): number[] {
  if (!isRecord(processor)) return [];
  const { type, processors, single, special_tokens, cls } = processor;
  if (type === 'Sequence') return (processors as unknown[]).flatMap((each) => leadingTokens(each, path));
  if (type === 'BertProcessing' || type === 'RobertaProcessing') return [(cls as [string, number])[1]];
  if (type !== 'TemplateProcessing') return [];
  const pieces = single as { SpecialToken?: { id: string } }[];
  const text = pieces.findIndex(({ SpecialToken }) => !SpecialToken);
  return pieces.slice(0, Math.max(0, text)).flatMap(({ SpecialToken }) => {
    const described = (special_tokens as Record<string, { ids: number[] }>)[SpecialToken!.id];
    if (!described) throw new InputError(`${path}: post_processor does not describe "${SpecialToken!.id}"`);
    return described.ids;
  });
}

function bosId(library: OpenedTokenizer, config: Record<string, unknown>): number {
  const token = isRecord(config.bos_token) ? config.bos_token.content : config.bos_token;
  const id = typeof token === 'string' ? library.id(token) : null;
  const { added, highest } = library.named;
  // One that the config adds beyond the vocabulary no model has learned.
  if (id === null || (id > highest && !added.includes(token as string)))
    throw new InputError(
      `${library.path}: a beginning-of-text token is asked for, but tokenizer_config.json names none that the vocabulary has`,
    );
  return id;
}
