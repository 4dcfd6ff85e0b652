/** Which pairs of a split are measured where all of them would take longer than the figure is worth. */
import type { Random } from '../random.js';

/** `most` items at equal distances, so that they come from all parts of the list. */
export function evenly<Item>(items: readonly Item[], most: number): Item[] {
  return Array.from({ length: most }, (_, at) => items[Math.floor((at * items.length) / most)]!);
}

/**
 * Cuts a list into `most` equal parts and draws one of each: all parts of the list are there, and a list whose items
 * come in turns, such as sentences of five templates, is met at every turn.
 * @param length at least `most`
 * @returns indices, ascending
 */
export function oneOfEachPart(length: number, most: number, random: Random): number[] {
  const startOf = (part: number) => Math.floor((part * length) / most);
  return Array.from(
    { length: most },
    (_, part) => startOf(part) + random.integer(startOf(part + 1) - startOf(part)),
  );
}
