/** Classes of tokens: a task's own, and a user's column. */
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { encodePairs } from '../../src/formats/token-pairs.js';
import { openTokenizer } from '../../src/formats/tokenizer.js';
import { tokenClasses } from '../../src/interpret/token-classes.js';

const embedded = await openTokenizer(fileURLToPath(new URL('../../models/embedded', import.meta.url)));
const LIMITS = { nVocab: embedded.size, nPositions: 32 };

const PAIR = {
  id: 'one',
  clean: 'When Mary and John went to the store, John gave a drink to',
  answers: [' Mary'],
  distractors: [' John'],
};

describe('classes of tokens', () => {
  it('are those of the task', () => {
    const [classes] = tokenClasses(encodePairs([PAIR], embedded, LIMITS), embedded, 'ioi');
    expect(classes).toEqual([
      ...['first', 'answer', 'function words', 'distractor', 'verbs', 'function words', 'function words'],
      ...[
        'places',
        'punctuation',
        'distractor again',
        'verbs',
        'function words',
        'objects',
        'function words',
      ],
    ]);
  });

  it("are a user's, before all others", () => {
    const pair = { ...PAIR, classes: { who: [' John'], start: [0], verb: ['gave'] } };
    const [classes] = tokenClasses(encodePairs([pair], embedded, LIMITS), embedded, null);
    expect(classes!.slice(0, 4)).toEqual(['start', 'answer', 'function words', 'who']);
    expect(classes!.slice(9, 11)).toEqual(['who', 'verb']);
    expect(classes![4]).toBe('other');
  });

  it('must be in the prompt', () => {
    const encode = (classes: Record<string, (string | number)[]>) => () =>
      encodePairs([{ ...PAIR, classes }], embedded, LIMITS);
    expect(encode({ who: [' Anna'] })).toThrow(
      'pair "one": "token_classes": the clean prompt has no " Anna"',
    );
    expect(encode({ who: [14] })).toThrow('has the tokens 0 to 13, not 14');
  });
});
