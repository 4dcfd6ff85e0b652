/** The linter finds planted faults, and only those; and what it says of published prompt sets. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'csv-parse/sync';
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import type { PromptPair } from '../../src/formats/prompt-pairs.js';
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

/** One fault each, done to a sound pair whose first name has one token. */
const FAULTS: Record<
  Exclude<FindingKind, 'repeated-prompt' | 'unknown-token'>,
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

  function json(file: string): PromptPair[] {
    const { prompts } = JSON.parse(readFileSync(join(sets, 'auto-circuit', file), 'utf8'));
    return prompts.map(
      (
        { clean, corrupt, answers, wrong_answers }: Record<string, string & string[]>,
        i: number,
      ): PromptPair => ({
        id: String(i),
        clean,
        corrupted: corrupt,
        answers,
        distractors: wrong_answers,
      }),
    );
  }

  function csv(file: string, answer: string, distractor: string): PromptPair[] {
    const rows: Record<string, string>[] = parse(readFileSync(join(sets, 'eap-ig-faithfulness', file)), {
      columns: true,
    });
    return rows.map((row, i) => ({
      id: String(i),
      clean: row.clean!,
      corrupted: row.corrupted!,
      answers: [Number(row[answer])],
      distractors: [Number(row[distractor])],
    }));
  }

  /** Counted apart from the linter: clean prompts that were met before. */
  const repeated = (pairs: PromptPair[]) => pairs.length - new Set(pairs.map(({ clean }) => clean)).size;

  test.each([
    'ioi_prompts.json',
    'ioi_ABBA_template_0_prompts.json',
    'ioi_vanilla_template_prompts.json',
    'docstring_prompts.json',
  ])('%s is aligned, and sound but for prompts that come again', (file) => {
    const pairs = json(file).slice(0, 300);
    const again = repeated(pairs);
    expect(summary(pairs)).toEqual({
      pairs: 300,
      sound: 300 - again,
      counts: again === 0 ? {} : { 'repeated-prompt': again },
    });
  });

  test('ioi and gender-bias are sound', () => {
    expect(summary(csv('ioi.gpt2.csv', 'correct_idx', 'incorrect_idx'))).toEqual({
      pairs: 1000,
      sound: 1000,
      counts: {},
    });
    expect(summary(csv('gender-bias.gpt2.csv', 'clean_answer_idx', 'corrupted_answer_idx'))).toEqual({
      pairs: 986,
      sound: 986,
      counts: {},
    });
  });

  test('fact-retrieval pairs cities of as many tokens, some of them in other words', () => {
    const pairs = csv('fact-retrieval-comma.gpt2.csv', 'country_idx', 'corrupted_country_idx');
    const findings = lint(pairs, tokenizer);
    expect(new Set(findings.map(({ kind }) => kind))).toEqual(new Set(['misaligned']));
    const shifted = findings.map(({ id }) => pairs[Number(id)]!.clean);
    expect(shifted).toContain(' Andorra la Vella, the capital of');
    expect(shifted).toContain(' Addis Ababa, the capital of');
    expect(shifted).not.toContain(' Kabul, the capital of');
  });
});
