/** Finds repeated keys, which JSON.parse lets the last one win: two readers of one file could disagree. */

// Inside valid JSON these are all the tokens that matter; numbers and literals hold none of the marks.
const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\]:]/g;

/**
 * @param text valid JSON
 * @returns the first key that its object holds twice, or null
 */
export function duplicateKey(text: string): string | null {
  const scopes: Set<string>[] = [];
  let string = '';
  for (const [token] of text.matchAll(TOKEN)) {
    if (token === '{' || token === '[') scopes.push(new Set());
    else if (token === '}' || token === ']') scopes.pop();
    else if (token !== ':') string = token;
    else {
      const key: string = JSON.parse(string);
      const keys = scopes.at(-1)!;
      if (keys.has(key)) return key;
      keys.add(key);
    }
  }
  return null;
}
