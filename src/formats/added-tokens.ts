/** Tokens that the files beside `tokenizer.json` add to it, as transformers 5 adds them. */
import { isRecord } from './json-file.js';

/** See https://huggingface.co/docs/tokenizers/api/added-tokens */
export interface AddedToken {
  content: string;
  special: boolean;
  lstrip: boolean;
  rstrip: boolean;
  normalized: boolean;
  single_word: boolean;
}

/** What lies beside `tokenizer.json`, each empty where it is not there. */
export interface BesideTokenizer {
  /** `tokenizer_config.json`. */
  config: Readonly<Record<string, unknown>>;
  /** `special_tokens_map.json`, which counts where the config lists no `added_tokens_decoder`. */
  specialTokens: Readonly<Record<string, unknown>>;
  /** `added_tokens.json`, likewise: ids by token. */
  addedTokens: Readonly<Record<string, unknown>>;
}

/** Names of tokens that have a meaning, in the order in which they are added. */
const NAMED = ['bos_token', 'eos_token', 'unk_token', 'sep_token', 'pad_token', 'cls_token', 'mask_token'];

/**
 * Tokens to add, in their order; a token that the vocabulary has keeps its id, the others get the next ones.
 * @param own `added_tokens` of `tokenizer.json`
 */
export function tokensToAdd(own: unknown, beside: BesideTokenizer): AddedToken[] {
  const decoder = beside.config.added_tokens_decoder;
  const named = isRecord(decoder) ? beside.config : { ...beside.config, ...beside.specialTokens };
  const extra = extraTokens(named);
  const special = new Set([...Object.values(namedTokens(named)), ...extra].map(contentOf));
  const listed = isRecord(decoder)
    ? Object.entries(decoder).map(([id, token]) => [Number(id), tokenOf(token)] as const)
    : Object.entries(beside.addedTokens).map(
        ([content, id]) => [Number(id), tokenOf({ content, special: special.has(content) })] as const,
      );
  const present = (Array.isArray(own) ? own : []).map(tokenOf);
  const [same, contents] = [new Set(present.map(keyOf)), new Set(present.map(({ content }) => content))];
  const toAdd = listed
    .sort(([a], [b]) => a - b)
    .map(([, token]) => token)
    .filter((token) => token.content !== '' && !same.has(keyOf(token)));
  for (const { content } of toAdd) contents.add(content);
  for (const token of [...Object.values(namedTokens(named)), ...extra]) {
    const content = contentOf(token);
    if (content === '' || contents.has(content)) continue;
    contents.add(content);
    toAdd.push({ ...tokenOf(token), special: true });
  }
  return toAdd;
}

/** Those of known names first, then those of a model's own, e.g. `image_token`. */
function namedTokens(config: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const own = Object.keys(config).filter((key) => key.endsWith('_token') && !NAMED.includes(key));
  const { extra_special_tokens: extra } = config;
  const entries = [...NAMED, ...own].map((key) => [key, config[key]]);
  return Object.fromEntries([...entries, ...Object.entries(isRecord(extra) ? extra : {})]);
}

function extraTokens(config: Readonly<Record<string, unknown>>): unknown[] {
  const { extra_special_tokens: extra, additional_special_tokens: before } = config;
  const list = Array.isArray(extra) && extra.length > 0 ? extra : isRecord(extra) ? [] : before;
  return Array.isArray(list) ? list : [];
}

/** Empty where it is none: `add_bos_token` is true or false. */
function contentOf(token: unknown): string {
  const content = isRecord(token) ? token.content : token;
  return typeof content === 'string' ? content : '';
}

/** A special token is not looked for in the normalised text, another one is, unless it is said otherwise. */
function tokenOf(token: unknown): AddedToken {
  const given = isRecord(token) ? token : { special: true };
  const flag = (name: string, fallback = false) =>
    typeof given[name] === 'boolean' ? (given[name] as boolean) : fallback;
  const special = flag('special');
  return {
    content: contentOf(token),
    special,
    lstrip: flag('lstrip'),
    rstrip: flag('rstrip'),
    normalized: flag('normalized', !special),
    single_word: flag('single_word'),
  };
}

function keyOf(token: AddedToken): string {
  return JSON.stringify(token);
}
