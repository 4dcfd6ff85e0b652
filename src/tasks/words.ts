/** Word lists written as running text. */

/** The words of a text, split at white space. */
export function words(text: string): string[] {
  return text.trim().split(/\s+/);
}
