/** Texts of models and data, shown as what they are: nothing in them can turn the writing around, or hide. */

/** Control characters and those that change the direction of writing, by code: `\u202e`. */
export function visible(text: string): string {
  return text.replace(
    // biome-ignore lint/suspicious/noControlCharactersInRegex: those are what is looked for
    /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** Every text of it as what is shown: none that comes from a model or from data is ever at hand as it was. */
export function parsed<T>(json: string): T {
  return JSON.parse(json, (_, value) => (typeof value === 'string' ? visible(value) : value)) as T;
}

/** A token with its space, in quotes. */
export function Token({ children }: { children: string }) {
  return <bdi class="token">“{short(children, 60)}”</bdi>;
}

/** Longer texts are cut: a card must not be filled by one label. */
export function short(text: string, most = 80): string {
  const seen = visible(text);
  return seen.length <= most ? seen : `${seen.slice(0, most - 1)}…`;
}

export function signed(value: number | null | undefined, places = 3): string {
  if (value === null || value === undefined || Number.isNaN(value)) return '–';
  const text = Math.abs(value).toFixed(places);
  if (value === 0) return '0';
  return `${value < 0 ? '−' : '+'}${text}`;
}
