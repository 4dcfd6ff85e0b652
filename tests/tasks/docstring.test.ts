/** Docstring: the third argument comes next, and corruptions take it from the definition. */
import { beforeAll, expect, test } from 'vitest';
import type { Tokenizer } from '../../src/formats/tokenizer.js';
import { generateTask, TASKS } from '../../src/tasks/tasks.js';
import { taskVocabulary } from '../../src/tasks/vocabulary.js';
import { describeWith } from '../support/test-data.js';
import { CASES, openWordTokenizer } from '../support/tokenizers.js';

const counts = { train: 100, validation: 1, test: 1 };

function parse(prompt: unknown) {
  const text = prompt as string;
  const [, inside] = /\(self, (.*)\):/.exec(text)!;
  return {
    name: /def (\w+)/.exec(text)![1]!,
    defined: inside!.split(', '),
    described: [...text.matchAll(/:(?:param|arg) (\w+):/g)].map((match) => match[1]!),
  };
}

for (const { title, missing, open } of CASES)
  describeWith({ missing }, title, () => {
    let tokenizer: Tokenizer;
    beforeAll(async () => {
      tokenizer = await open();
    });
    const pairs = (corruption?: string) =>
      generateTask('docstring', { tokenizer, seed: 3, counts, corruption }).splits.train;

    test('two of four arguments are described, the third one is the answer, the others are distractors', () => {
      for (const { clean, answers, distractors } of pairs()) {
        const { defined, described, name } = parse(clean);
        expect(new Set([...defined, name]).size).toBe(5);
        expect(described).toEqual(defined.slice(0, 2));
        expect(answers).toEqual([` ${defined[2]}`]);
        expect(distractors).toEqual([0, 1, 3].map((i) => ` ${defined[i]}`));
        expect((clean as string).endsWith(':param') || (clean as string).endsWith(':arg')).toBe(true);
      }
    });

    test('corruptions change the arguments that they name, and nothing else', () => {
      for (const [corruption, inDefinition, inDocstring] of [
        ['new-arguments', [0, 1, 2, 3], [0, 1]],
        ['new-definition', [0, 1, 2, 3], []],
        ['new-answer', [2], []],
      ] as const)
        for (const { clean, corrupted } of pairs(corruption)) {
          const [before, after] = [parse(clean), parse(corrupted)];
          const changed = (key: 'defined' | 'described') =>
            before[key].flatMap((word, i) => (word === after[key][i] ? [] : [i]));
          expect(changed('defined')).toEqual(inDefinition);
          expect(changed('described')).toEqual(inDocstring);
          expect(after.name).toBe(before.name);
        }
    });
  });

test('a tokenizer with eight arguments cannot have it', async () => {
  const { arguments: args } = TASKS.find(({ name }) => name === 'docstring')!.words;
  const words = taskVocabulary(TASKS).filter((word) => !args!.slice(8).includes(word));
  const tokenizer = await openWordTokenizer(words);
  expect(() => generateTask('docstring', { tokenizer, seed: 1 })).toThrow(/^docstring: 8 of 40 arguments/);
});
