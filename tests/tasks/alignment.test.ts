/** Which prompts of equal length correspond token by token. */
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Tokenizer } from '../../src/formats/tokenizer.js';
import { shiftBetweenTexts, shiftBetweenTokens } from '../../src/tasks/alignment.js';
import { CASES } from '../support/tokenizers.js';

describe('ids', () => {
  test.each([
    ['nothing changed', [1, 2, 3], [1, 2, 3], null],
    ['replaced in place', [1, 2, 3, 4], [1, 9, 3, 8], null],
    ['exchanged about a fixed token', [1, 2, 3, 4], [3, 2, 1, 4], null],
    ['all different', [1, 2, 3], [4, 5, 6], null],
    ['one inserted early, one lost later', [1, 2, 3, 4, 9], [1, 7, 2, 3, 9], '2 of those they share'],
    [
      'a two-token name for a one-token one, and the other way round',
      [5, 6, 2, 3, 9],
      [4, 2, 7, 8, 9],
      '1 of those they share',
    ],
  ])('%s', (_, clean, corrupted, expected) => {
    const shift = shiftBetweenTokens(clean, corrupted);
    if (expected === null) expect(shift).toBeNull();
    else expect(shift).toContain(expected);
  });

  test('property: replacing tokens by new ones is never a shift, moving a run of different tokens always is', () => {
    const ids = fc.uniqueArray(fc.integer({ min: 0, max: 999 }), { minLength: 4, maxLength: 30 });
    fc.assert(
      fc.property(ids, fc.infiniteStream(fc.boolean()), (clean, coins) => {
        const replaced = clean.map((id) => (coins.next().value ? id + 1000 : id));
        expect(shiftBetweenTokens(clean, replaced)).toBeNull();
        expect(shiftBetweenTokens(clean, [2000, ...clean.slice(0, -1)])).not.toBeNull();
      }),
    );
  });
});

describe('texts', () => {
  let tokenizer: Tokenizer;
  beforeAll(async () => {
    // Cuts names of more than five letters in two.
    tokenizer = await CASES[1]!.open();
  });

  test('words of as many tokens correspond', () => {
    expect(shiftBetweenTexts('When Mary and John met', 'When Anna and Paul met', tokenizer)).toBeNull();
    expect(
      shiftBetweenTexts('When Barbara and John met', 'When Caroline and Paul met', tokenizer),
    ).toBeNull();
  });

  test('a long name for a short one and a short one for a long one do not', () => {
    const [clean, corrupted] = ['When Barbara and John met', 'When Anna and Michael met'];
    expect(tokenizer.encode(clean)).toHaveLength(tokenizer.encode(corrupted).length);
    expect(shiftBetweenTexts(clean, corrupted, tokenizer)).toBe(
      '"Barbara" takes 2 of them, "Anna" in its place 1',
    );
  });

  test('digits in another order are no shift within their word', () => {
    expect(shiftBetweenTexts('in the year 1741', 'in the year 1417', tokenizer)).toBeNull();
  });

  test('texts of unequal numbers of words are compared by their tokens', () => {
    expect(shiftBetweenTexts('Barbara went', 'Mary and went', tokenizer)).toBeNull();
    expect(shiftBetweenTexts('Barbara met John', 'Mary met and Paul', tokenizer)).toContain(
      'of those they share',
    );
  });
});
