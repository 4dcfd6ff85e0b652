/** The word that was meant by a mistyped one. */

const LONGEST = 100;

/** The most similar of the words, as `; did you mean X?` to put behind a message; empty where none is similar. */
export function didYouMean(typed: string, words: Iterable<string>): string {
  // Nobody means a setting by a page of text, and each comparison takes as long as it is.
  if (typed.length > LONGEST) return '';
  let best: string | undefined;
  // Beyond a third of its letters a word is another word.
  let least = 1 + Math.max(1, Math.floor(typed.length / 3));
  for (const word of words) {
    const steps = editDistance(typed.toLowerCase(), word.toLowerCase());
    if (steps < least) [best, least] = [word, steps];
  }
  return best === undefined ? '' : `; did you mean ${best}?`;
}

/** Letters to add, drop, change or swap with the next one until the words are equal. */
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = last[j - 1]! + Number(a[i - 1] !== b[j - 1]);
      row[j] = Math.min(change, last[j]! + 1, row[j - 1]! + 1);
      if (a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) row[j] = Math.min(row[j]!, beforeLast[j - 2]! + 1);
    }
    [beforeLast, last] = [last, row];
  }
  return last[b.length]!;
}
