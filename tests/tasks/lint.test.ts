/** The linter finds planted faults, and only those; and what it says of published prompt sets. */
import { join } from 'node:path';
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { type PromptPair, readPromptPairs } from '../../src/formats/prompt-pairs.js';
import { encodePairs } from '../../src/formats/token-pairs.js';
import type { Tokenizer } from '../../src/formats/tokenizer.js';
import { type FindingKind, lintPairs, summariseFindings } from '../../src/tasks/lint.js';
import { generateTask } from '../../src/tasks/tasks.js';
import { describeWith, PROMPT_SETS } from '../support/test-data.js';
import { CASES, openGpt2 } from '../support/tokenizers.js';

function lint(pairs: PromptPair[], tokenizer: Tokenizer) {
  return lintPairs(
    pairs,
    encodePairs(pairs, tokenizer, { nVocab: tokenizer.size, nPositions: 1024 }),
    tokenizer,
  );
}

/** Where prompt and answer meet. */
const BORDER = ['no-space', 'merges', 'two-spaces', 'blank-first-token'] as const;

/** One fault each, done to a sound pair whose first name has one token. */
const FAULTS: Record<
  Exclude<FindingKind, 'repeated-prompt' | 'unknown-token' | (typeof BORDER)[number]>,
  (pair: PromptPair) => PromptPair
> = {
  'no-corrupted': ({ corrupted: _, ...pair }) => pair,
  'identical-prompts': (pair) => ({ ...pair, corrupted: pair.clean }),
  'unequal-length': (pair) => ({ ...pair, corrupted: `${pair.corrupted} the` }),
  misaligned: (pair) => ({ ...pair, corrupted: `So ${(pair.corrupted as string).replace(/ \S+$/, '')}` }),
  'no-answer': (pair) => ({ ...pair, answers: [], distractors: [] }),
  'no-distractor': (pair) => ({ ...pair, distractors: [] }),
  'same-first-token': (pair) => ({ ...pair, distractors: pair.answers }),
};

describe('planted faults', () => {
  let tokenizer: Tokenizer;
  beforeAll(async () => {
    tokenizer = await CASES[0]!.open();
  });

  test.each(Object.entries(FAULTS))('property: %s', (kind, spoil) => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 999 }),
        fc.nat(7),
        fc.constantFrom('ioi', 'gendered-pronoun'),
        (seed, at, name) => {
          const pairs = generateTask(name, { tokenizer, seed, counts: { train: 8, validation: 0, test: 0 } })
            .splits.train;
          pairs[at] = spoil(pairs[at]!);
          expect(lint(pairs, tokenizer).map((found) => [found.id, found.kind])).toEqual([
            [pairs[at]!.id, kind],
          ]);
        },
      ),
      { numRuns: 10 },
    );
  });

  test('a prompt that comes again', () => {
    const [first, second] = generateTask('ioi', { tokenizer, seed: 1 }).splits.train as [
      PromptPair,
      PromptPair,
    ];
    expect(lint([first, { ...second, clean: first.clean }], tokenizer)).toContainEqual({
      id: second.id,
      kind: 'repeated-prompt',
      message: `has the clean prompt of pair "${first.id}"`,
    });
  });

  test('a word that the tokenizer does not know, in either prompt', () => {
    const pair = { id: 'x', answers: [' she'], distractors: [' he'] };
    const prompts = ["So Sarah is a great friend, isn't", "So Kunigunde is a great friend, isn't"] as const;
    for (const [clean, corrupted] of [prompts, [prompts[1], prompts[0]] as const])
      expect(lint([{ ...pair, clean, corrupted }], tokenizer).map(({ kind }) => kind)).toEqual([
        'unknown-token',
      ]);
  });

  test.each([
    ['no-space', 'The cat sat on', 'the'],
    ['no-space', 'Answer:', 'yes'],
    ['merges', 'The cat sat on ', 'the'],
    [null, 'The cat sat on', ' the'],
    ['two-spaces', 'The cat sat on ', ' the'],
    ['blank-first-token', 'The cat sat on', '  the'],
    ['blank-first-token', 'The cat sat on', ' '],
    [null, 'The cat sat on', '\nthe'],
    ['merges', 'It is', "n't"],
    [null, 'from 1741 to 17', '42'],
    [null, 'He said "', 'yes'],
    [null, '猫は', '眠'],
  ])('%s where %j is followed by %j', async (kind, clean, answer) => {
    const gpt2 = await openGpt2();
    const pair = { id: 'x', clean, corrupted: `${clean.slice(1)}`, answers: [answer], distractors: [] };
    const kinds = lint([pair], gpt2).map((found) => found.kind);
    expect(kinds.filter((found) => (BORDER as readonly string[]).includes(found))).toEqual(
      kind ? [kind] : [],
    );
  });

  test('a prompt that ends in a space, without an answer', async () => {
    const pair = { id: 'x', clean: 'The cat ', corrupted: 'The dog ', answers: [], distractors: [] };
    expect(lint([pair], await openGpt2()).map(({ kind }) => kind)).toEqual(['no-answer', 'merges']);
  });

  test('with the last position masked, prompts need not correspond', () => {
    const pair = { id: 'x', answers: [' she'], distractors: [' he'] };
    const unequal = { ...pair, clean: 'So Sarah is', corrupted: 'So Sarah is such' };
    const encoded = encodePairs([unequal], tokenizer, { nVocab: tokenizer.size, nPositions: 1024 });
    expect(lintPairs([unequal], encoded, tokenizer, 'all').map(({ kind }) => kind)).toEqual([
      'unequal-length',
    ]);
    expect(lintPairs([unequal], encoded, tokenizer, 'last')).toEqual([]);
  });

  test('pairs given as ids need no tokenizer', () => {
    const pair = { group: undefined, answers: Int32Array.of(1), distractors: Int32Array.of(2) };
    const clean = Int32Array.of(1, 2, 3, 4, 9);
    const tokens = [
      { ...pair, id: 'sound', clean, corrupted: Int32Array.of(1, 7, 3, 8, 9) },
      { ...pair, id: 'shifted', clean: clean.with(4, 8), corrupted: Int32Array.of(1, 7, 2, 3, 8) },
      { ...pair, id: 'short', clean: clean.with(4, 7), corrupted: Int32Array.of(1, 2) },
    ];
    const pairs = tokens.map(({ id, clean, corrupted }) => ({
      id,
      clean: [...clean],
      corrupted: [...corrupted],
      answers: [1],
      distractors: [2],
    }));
    const findings = lintPairs(pairs, tokens, null);
    expect(findings.map(({ id, kind }) => [id, kind])).toEqual([
      ['shifted', 'misaligned'],
      ['short', 'unequal-length'],
    ]);
    expect(summariseFindings(findings, 3)).toEqual({
      pairs: 3,
      sound: 1,
      counts: { misaligned: 1, 'unequal-length': 1 },
    });
  });
});

describeWith(PROMPT_SETS, 'published prompt sets under GPT-2', () => {
  const sets = PROMPT_SETS.path;
  let tokenizer: Tokenizer;
  beforeAll(async () => {
    tokenizer = await openGpt2();
  });

  const summary = (pairs: PromptPair[]) => summariseFindings(lint(pairs, tokenizer), pairs.length);

  const json = (file: string) => readPromptPairs(join(sets, 'auto-circuit', file));
  const csv = (file: string, choice: string) =>
    readPromptPairs(join(sets, 'eap-ig-faithfulness', file), choice);

  /** Counted apart from the linter: clean prompts that were met before. */
  const repeated = (pairs: PromptPair[]) => pairs.length - new Set(pairs.map(({ clean }) => clean)).size;

  test.each([
    'ioi_prompts.json',
    'ioi_ABBA_template_0_prompts.json',
    'ioi_vanilla_template_prompts.json',
    'docstring_prompts.json',
  ])('%s is aligned, and sound but for prompts that come again', async (file) => {
    const pairs = (await json(file)).slice(0, 300);
    const again = repeated(pairs);
    expect(summary(pairs)).toEqual({
      pairs: 300,
      sound: 300 - again,
      counts: again === 0 ? {} : { 'repeated-prompt': again },
    });
  });

  test.each([
    ['ioi.gpt2.csv', 1000, 'answer_id=correct_idx,distractor_id=incorrect_idx'],
    ['gender-bias.gpt2.csv', 986, 'answer_id=clean_answer_idx,distractor_id=corrupted_answer_idx'],
    ['hypernymy-comma.gpt2.csv', 198, 'answers= {answers},distractors= {corrupted_answers}'],
  ])('%s is sound', async (file, pairs, choice) => {
    const found = summary(await csv(file, choice));
    const { misaligned = 0, 'unequal-length': unequal = 0, ...others } = found.counts;
    expect([found.pairs, others]).toEqual([pairs, {}]);
    if (!file.startsWith('hypernymy')) expect(misaligned + unequal).toBe(0);
  });

  test('greater-than has numbers above a year, of one token each but for a few', async () => {
    const pairs = await csv('greater-than.gpt2.csv', 'greater_than=correct_idx');
    const found = summary(pairs);
    expect(found.pairs).toBe(1000);
    expect(found.counts).toEqual({ 'repeated-prompt': repeated(pairs) });
  });

  test('fact-retrieval has its answers without the space that the model says', async () => {
    const bare = await csv('fact-retrieval-comma.gpt2.csv', 'answer=country,distractor=corrupted_country');
    expect(summary(bare).counts).toMatchObject({ 'no-space': 190 });
    const spaced = await csv(
      'fact-retrieval-comma.gpt2.csv',
      'answer= {country},distractor= {corrupted_country}',
    );
    expect(summary(spaced).counts).not.toHaveProperty('no-space');
    expect(spaced[0]).toMatchObject({ answers: [' Afghanistan'], distractors: [' United Kingdom'] });
  });

  test('fact-retrieval pairs cities of as many tokens, some of them in other words', async () => {
    const choice = 'answer_id=country_idx,distractor_id=corrupted_country_idx';
    const pairs = await csv('fact-retrieval-comma.gpt2.csv', choice);
    const findings = lint(pairs, tokenizer);
    expect(new Set(findings.map(({ kind }) => kind))).toEqual(new Set(['misaligned']));
    const shifted = findings.map(({ id }) => pairs.find((pair) => pair.id === id)!.clean);
    expect(shifted).toContain(' Andorra la Vella, the capital of');
    expect(shifted).toContain(' Addis Ababa, the capital of');
    expect(shifted).not.toContain(' Kabul, the capital of');
  });
});
