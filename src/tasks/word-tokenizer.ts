/** Writes the tokenizer of the embedded model: whole words and punctuation marks, nothing smaller. */
import { WORD_PATTERN } from './vocabulary.js';

const UNKNOWN = '[UNK]';

/** Content of a `tokenizer.json` whose token 0 is `[UNK]` and whose further tokens are the given words. */
export function wordTokenizer(words: readonly string[]): object {
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: [
      {
        id: 0,
        content: UNKNOWN,
        single_word: false,
        lstrip: false,
        rstrip: false,
        normalized: false,
        special: true,
      },
    ],
    normalizer: null,
    pre_tokenizer: { type: 'Split', pattern: { Regex: WORD_PATTERN }, behavior: 'Removed', invert: true },
    post_processor: null,
    // Joins words by spaces, and punctuation without: all that is wanted of this decoder.
    decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
    model: {
      type: 'WordLevel',
      unk_token: UNKNOWN,
      vocab: Object.fromEntries([UNKNOWN, ...words].map((word, id) => [word, id])),
    },
  };
}
