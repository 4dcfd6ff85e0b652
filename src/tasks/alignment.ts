/** Tells prompts of equal length whose tokens correspond, place by place, from those that only happen to be as long. */
import type { Tokenizer } from '../formats/tokenizer.js';

/**
 * What shows that two texts of as many tokens do not correspond, or null. Texts of as many words correspond if each
 * word takes as many tokens in both; otherwise their tokens are compared.
 */
export function shiftBetweenTexts(clean: string, corrupted: string, tokenizer: Tokenizer): string | null {
  const [before, after] = [wordsOf(clean), wordsOf(corrupted)];
  if (before.length !== after.length)
    return shiftBetweenTokens(tokenizer.encode(clean), tokenizer.encode(corrupted));
  for (const [i, word] of before.entries()) {
    const other = after[i]!;
    if (word === other) continue;
    const [tokens, otherTokens] = [tokenizer.encodeBare(word).length, tokenizer.encodeBare(other).length];
    if (tokens !== otherTokens)
      return `"${word.trim()}" takes ${tokens} of them, "${other.trim()}" in its place ${otherTokens}`;
  }
  return null;
}

/** Words as tokenizers see them, with the white space in front. */
function wordsOf(text: string): string[] {
  return text.match(/\s*\S+/g) ?? [];
}

/**
 * What suggests that two sequences of token ids do not correspond, or null: they have more tokens in common, in order,
 * than stand at equal places, so some have moved. Ids show no word borders: `17|41` against `15|17` counts, too.
 */
export function shiftBetweenTokens(clean: ArrayLike<number>, corrupted: ArrayLike<number>): string | null {
  const inPlace = Array.from(clean).filter((id, i) => id === corrupted[i]).length;
  const moved = longestCommon(clean, corrupted) - inPlace;
  return moved > 0 ? `${moved} of those they share seem to have moved` : null;
}

/** Length of the longest common subsequence (Wagner and Fischer), row by row. */
function longestCommon(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let above = new Uint32Array(b.length + 1);
  for (let i = 0; i < a.length; i++) {
    const row = new Uint32Array(b.length + 1);
    for (let j = 0; j < b.length; j++)
      row[j + 1] = a[i] === b[j] ? above[j]! + 1 : Math.max(above[j + 1]!, row[j]!);
    above = row;
  }
  return above[b.length]!;
}
