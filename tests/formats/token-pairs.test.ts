import { describe, expect, it } from 'vitest';
import { InputError } from '../../src/errors.js';
import type { PromptPair } from '../../src/formats/prompt-pairs.js';
import { encodePairs, hashPairs } from '../../src/formats/token-pairs.js';
import { openTokenizer } from '../../src/formats/tokenizer.js';
import { temporaryFolder } from '../support/temporary-folder.js';
import { wordLevelFolder } from '../support/word-level-folder.js';

const WORDS = ['<unk>', '<s>', 'Mary', 'and', 'John', 'he', 'she', '.', 'a'];
const folder = wordLevelFolder(temporaryFolder(), WORDS, {}, { bos_token: '<s>' });
const limits = { nVocab: 9, nPositions: 5 };

const pair = (fields: Partial<PromptPair>): PromptPair => ({
  id: 'p1',
  clean: 'Mary and',
  answers: [],
  distractors: [],
  ...fields,
});

describe('encoding', () => {
  it('turns prompts into ids, answers into their first tokens', async () => {
    const tokenizer = await openTokenizer(folder, { bos: 'always' });
    const pairs = [
      pair({ corrupted: 'John and', answers: [' he .', ' she', ' he'], distractors: [' John'], group: 'g' }),
      pair({ id: 'p2', answers: [7, 7], distractors: [8] }),
    ];
    expect(encodePairs(pairs, tokenizer, limits)).toEqual([
      {
        id: 'p1',
        group: 'g',
        clean: Int32Array.of(1, 2, 3),
        corrupted: Int32Array.of(1, 4, 3),
        answers: Int32Array.of(5, 6),
        distractors: Int32Array.of(4),
      },
      {
        id: 'p2',
        clean: Int32Array.of(1, 2, 3),
        corrupted: null,
        answers: Int32Array.of(7),
        distractors: Int32Array.of(8),
      },
    ]);
  });

  it('takes ids without a tokenizer', () => {
    const [encoded] = encodePairs([pair({ clean: [0, 8], corrupted: [1], answers: [3] })], null, limits);
    expect(encoded).toMatchObject({
      clean: Int32Array.of(0, 8),
      corrupted: Int32Array.of(1),
      answers: Int32Array.of(3),
    });
  });

  it.each<[string, Partial<PromptPair>, RegExp]>([
    [
      'an answer it does not know',
      { answers: [' him'] },
      /^pair "p1": the tokenizer does not know the answer " him"$/,
    ],
    ['an answer of nothing', { answers: ['  '] }, /does not know the answer " {2}"/],
    ['a distractor it does not know', { answers: [' he'], distractors: [' him'] }, /" him"/],
    [
      'a clean prompt that is too long',
      { clean: 'a a a a a' },
      /the clean prompt has 6 tokens, the model takes 5/,
    ],
    ['a corrupted prompt that is too long', { corrupted: 'a a a a a' }, /the corrupted prompt has 6 tokens/],
    ['ids that are too many', { clean: [1, 1, 1, 1, 1, 1] }, /has 6 tokens, the model takes 5/],
    ['no ids', { clean: [] }, /the clean prompt has no tokens/],
    ['a prompt id outside the vocabulary', { clean: [9] }, /token 9 is outside the vocabulary \(0 to 8\)/],
    ['a corrupted id outside the vocabulary', { clean: [1], corrupted: [-1] }, /token -1 is outside/],
    ['an answer id outside the vocabulary', { answers: [9] }, /token 9 is outside/],
    ['text answers to ids', { clean: [1], answers: [' he'] }, /need their answers as ids/],
  ])('refuses %s', async (_, fields, message) => {
    const tokenizer = await openTokenizer(folder, { bos: 'always' });
    expect(() => encodePairs([pair(fields)], tokenizer, limits)).toThrow(message);
    expect(() => encodePairs([pair(fields)], tokenizer, limits)).toThrow(InputError);
  });

  it('refuses text without a tokenizer, saying what to give instead', () => {
    expect(() => encodePairs([pair({})], null, limits)).toThrow(
      /no tokenizer\.json \(transformers' save_pretrained makes it of other files\); give token ids \("clean_ids"/,
    );
  });

  it('takes a tokenizer of another size than the vocabulary, but no token outside', async () => {
    const tokenizer = await openTokenizer(folder, { bos: 'always' });
    for (const nVocab of [8, 64])
      expect(encodePairs([pair({})], tokenizer, { ...limits, nVocab })).toHaveLength(1);
    expect(() => encodePairs([pair({ clean: 'a and' })], tokenizer, { ...limits, nVocab: 8 })).toThrow(
      /token 8 is outside the vocabulary \(0 to 7\)/,
    );
  });
});

describe('the hash', () => {
  const hash = (...fields: Partial<PromptPair>[]) =>
    hashPairs(
      encodePairs(
        fields.map((field) => pair({ clean: [1, 2], ...field })),
        null,
        limits,
      ),
    );

  it('does not depend on names', () => {
    expect(hash({ id: 'x', group: 'g' }, { id: 'y' })).toBe(hash({ id: 'a' }, { id: 'b' }));
    expect(hash({})).toMatch(/^[0-9a-f]{64}$/);
  });

  it('depends on every token, where it stands and in which order the pairs come', () => {
    const hashes = [
      hash({}),
      hash({ clean: [1, 3] }),
      hash({ clean: [1] }, { clean: [2] }),
      hash({ clean: [2] }, { clean: [1] }),
      hash({ corrupted: [3] }),
      hash({ answers: [3] }),
      hash({ answers: [3], distractors: [4] }),
      hash({ answers: [3, 4] }),
      hash(),
    ];
    expect(new Set(hashes).size).toBe(hashes.length);
  });
});
