/** Writes a folder with a small word-level tokenizer, the kind that the embedded model has. */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const SPECIAL = { special: true, normalized: false, single_word: false, lstrip: false, rstrip: false };

/**
 * @param words the vocabulary; the first is the unknown token, those in angle brackets are special
 * @param changes fields of tokenizer.json that replace the usual ones
 * @param config tokenizer_config.json; null for none
 */
export function wordLevelFolder(
  parent: string,
  words: readonly string[],
  changes: object = {},
  config: object | null = null,
): string {
  const folder = mkdtempSync(join(parent, 'words-'));
  const definition = {
    version: '1.0',
    added_tokens: words.flatMap((content, id) =>
      content.startsWith('<') ? [{ id, content, ...SPECIAL }] : [],
    ),
    normalizer: null,
    pre_tokenizer: { type: 'Whitespace' },
    post_processor: null,
    decoder: null,
    model: {
      type: 'WordLevel',
      vocab: Object.fromEntries(words.map((word, id) => [word, id])),
      unk_token: words[0],
    },
    ...changes,
  };
  writeFileSync(join(folder, 'tokenizer.json'), JSON.stringify(definition));
  if (config) writeFileSync(join(folder, 'tokenizer_config.json'), JSON.stringify(config));
  return folder;
}
