/** What holds for every task, tokenizer and seed. */
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import type { PromptPair } from '../../src/formats/prompt-pairs.js';
import { encodePairs } from '../../src/formats/token-pairs.js';
import type { Tokenizer } from '../../src/formats/tokenizer.js';
import { lintPairs } from '../../src/tasks/lint.js';
import { SPLITS } from '../../src/tasks/splits.js';
import { generateTask, TASKS } from '../../src/tasks/tasks.js';
import { taskVocabulary } from '../../src/tasks/vocabulary.js';
import { describeWith } from '../support/test-data.js';
import { CASES, openWordTokenizer } from '../support/tokenizers.js';

const small = { train: 12, validation: 4, test: 8 };
const seeds = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
const allPairs = (splits: Record<string, PromptPair[]>) => SPLITS.flatMap((split) => splits[split]!);

for (const [{ title, missing, open }, { name }] of CASES.flatMap((one) =>
  TASKS.map((task) => [one, task] as const),
))
  describeWith({ missing }, `${title}: ${name}`, () => {
    let tokenizer: Tokenizer;
    beforeAll(async () => {
      tokenizer = await open();
    });

    const property = (check: (seed: number) => void, numRuns = 4) =>
      fc.assert(fc.property(seeds, check), { numRuns });

    test('the same seed gives the same pairs, another seed others', () => {
      property((seed) => {
        const splits = generateTask(name, { tokenizer, seed, counts: small }).splits;
        expect(generateTask(name, { tokenizer, seed, counts: small }).splits).toEqual(splits);
        expect(generateTask(name, { tokenizer, seed: seed ^ 1, counts: small }).splits).not.toEqual(splits);
      }, 2);
    });

    test('no clean prompt comes twice, and ids are unique', () => {
      property((seed) => {
        const pairs = allPairs(generateTask(name, { tokenizer, seed, counts: small }).splits);
        expect(pairs).toHaveLength(24);
        expect(new Set(pairs.map(({ clean }) => clean)).size).toBe(24);
        expect(new Set(pairs.map(({ id }) => id)).size).toBe(24);
      });
    });

    test('no answer is a distractor, no word unknown, nothing for the linter to find in aligned pairs', () => {
      property((seed) => {
        const pairs = allPairs(generateTask(name, { tokenizer, seed, counts: small, aligned: true }).splits);
        const encoded = encodePairs(pairs, tokenizer, { nVocab: tokenizer.size, nPositions: 64 });
        expect(lintPairs(pairs, encoded, tokenizer)).toEqual([]);
        for (const { answers, distractors } of encoded)
          expect(new Set([...answers, ...distractors]).size).toBe(answers.length + distractors.length);
      });
    });

    test('an answer never changes the tokens of its prompt', () => {
      for (const { clean, answers, distractors } of allPairs(
        generateTask(name, { tokenizer, seed: 5, counts: small }).splits,
      )) {
        const prompt = tokenizer.encode(clean as string);
        for (const text of [...answers, ...distractors].filter((answer) => typeof answer === 'string'))
          expect(tokenizer.encode(clean + text).slice(0, prompt.length)).toEqual(prompt);
      }
    });

    test('makes the paper’s numbers of pairs', () => {
      const task = generateTask(name, { tokenizer, seed: 1 });
      const asked = TASKS.find((candidate) => candidate.name === name)!.counts;
      for (const split of SPLITS) expect(task.splits[split]).toHaveLength(asked[split]);
      expect(task.report.made).toEqual(asked);
    });

    test('only the templates asked for', () => {
      const { templates } = TASKS.find((candidate) => candidate.name === name)!;
      const { splits } = generateTask(name, {
        tokenizer,
        seed: 1,
        counts: small,
        templates: [templates[1]!.id],
      });
      for (const { group } of allPairs(splits)) expect(group!.split('/')[0]).toBe(templates[1]!.id);
    });
  });

describe('requests that cannot be met', () => {
  let tokenizer: Tokenizer;
  beforeAll(async () => {
    tokenizer = await openWordTokenizer(taskVocabulary());
  });

  test.each([
    [
      'an unknown task',
      'arithmetic',
      {},
      'no task "arithmetic"; choose one of ioi, greater-than, gendered-pronoun, one-digit-addition, ',
    ],
    ['a broken count', 'ioi', { counts: { train: 1.5 } }, 'ioi: 1.5 train pairs asked for'],
    ['a negative count', 'ioi', { counts: { test: -1 } }, 'ioi: -1 test pairs asked for'],
    ['nothing at all', 'ioi', { counts: { train: 0, validation: 0, test: 0 } }, 'ioi: no pairs asked for'],
    [
      'an unknown template',
      'ioi',
      { templates: ['gave', 'took'] },
      'ioi: no template "took"; choose from gave, ',
    ],
    ['no template', 'ioi', { templates: [] }, 'ioi: no templates asked for; choose from gave, '],
  ])('%s', (_, name, options, message) => {
    expect(() => generateTask(name, { tokenizer, seed: 1, ...options })).toThrow(message);
  });

  test.each(TASKS.map(({ name }) => name))('%s of a tokenizer that knows none of its words', async (name) => {
    const stranger = await openWordTokenizer(['bonjour']);
    expect(() => generateTask(name, { tokenizer: stranger, seed: 1 })).toThrow(
      // Induction has templates of nothing but slots.
      name === 'induction'
        ? `${name}: 0 of 50 words stand in one or two tokens`
        : `${name}: every template has a word that the tokenizer does not know; give your own prompt pairs`,
    );
  });

  test('templates with an unknown word are dropped and counted', async () => {
    const without = await openWordTokenizer(taskVocabulary().filter((word) => word !== 'Yesterday'));
    const { report, splits } = generateTask('ioi', { tokenizer: without, seed: 1, counts: small });
    expect(report.lists[0]).toEqual({ list: 'templates', kept: 4, of: 5, dropped: ['showed'] });
    for (const { clean } of allPairs(splits)) expect(clean).not.toContain('Yesterday');
  });
});
