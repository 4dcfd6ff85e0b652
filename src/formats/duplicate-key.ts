/** Finds repeated keys, which JSON.parse lets the last one win: two readers of one file could disagree. */

import { endOfString } from './json-file.js';

// Inside valid JSON these begin all the tokens that matter; numbers and literals hold none of the marks.
const MARK = /["{}[\]:]/g;

/**
 * @param text valid JSON
 * @returns the first key that its object holds twice, or null
 */
export function duplicateKey(text: string): string | null {
  const scopes: Set<string>[] = [];
  let string = '';
  MARK.lastIndex = 0;
  for (let found = MARK.exec(text); found; found = MARK.exec(text)) {
    const [mark] = found;
    if (mark === '{' || mark === '[') scopes.push(new Set());
    else if (mark === '}' || mark === ']') scopes.pop();
    else if (mark === '"') {
      MARK.lastIndex = endOfString(text, found.index);
      string = text.slice(found.index, MARK.lastIndex);
    } else {
      const key: string = JSON.parse(string);
      const keys = scopes.at(-1)!;
      if (keys.has(key)) return key;
      keys.add(key);
    }
  }
  return null;
}
