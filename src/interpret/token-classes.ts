/** What the tokens of prompts are, by class (docs/reading.md, "Roles of QK directions"). */
import { formsOf, placesOf, spellings, type TokenPair } from '../formats/token-pairs.js';
import type { Tokenizer } from '../formats/tokenizer.js';
import { FUNCTION_WORDS } from '../tasks/function-words.js';
import { taskNamed } from '../tasks/tasks.js';

/**
 * A class for each token: the prompts' own column where that names one; else `first`, `answer` and `distractor` (with
 * `again` where that token stood before), a word list of the task, `function words`, `punctuation`, or `other`.
 * @param task name of the task that the prompts are of, if of one
 * @returns by prompt, by token
 */
export function tokenClasses(
  pairs: readonly TokenPair[],
  tokenizer: Tokenizer | null,
  task: string | null,
): string[][] {
  const { words = {}, templateWords = {} } = task === null ? {} : taskNamed(task);
  const lists = tokenizer
    ? [...Object.entries({ ...words, ...templateWords }), ['function words', FUNCTION_WORDS] as const]
    : [];
  tokenizer?.encodeAhead(lists.flatMap(([, list]) => list.flatMap(formsOf)));
  const spans = lists.map(
    ([name, list]) => [name, list.flatMap((word) => spellings(word, tokenizer!))] as const,
  );
  return pairs.map(({ clean, answers, distractors, classes }) => {
    const found = new Array<string>(clean.length).fill('other');
    if (tokenizer)
      clean.forEach((id, at) => {
        if (/^\s*\p{P}+$/u.test(tokenizer.token(id))) found[at] = 'punctuation';
      });
    for (const [name, own] of [...spans].reverse()) for (const at of placesOf(own, clean)) found[at] = name;
    for (const [name, tokens] of [
      ['distractor', distractors],
      ['answer', answers],
    ] as const)
      clean.forEach((id, at) => {
        if (tokens.includes(id)) found[at] = clean.indexOf(id) < at ? `${name} again` : name;
      });
    found[0] = 'first';
    return found.map((name, at) => classes?.[at] ?? name);
  });
}
