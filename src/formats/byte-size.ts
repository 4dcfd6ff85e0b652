/** Amounts of memory and disk as text: `4GB` and `512MiB` in, `4.02 GB` out. */
const UNITS = ['B', 'kB', 'MB', 'GB', 'TB'];

/**
 * Bytes of an amount such as `4GB`, `1.5 GiB` or `300MB`: powers of 1000, with an i of 1024; case does not matter.
 * @returns null unless it is a number above 0 with a unit: a bare number could mean anything
 */
export function parseByteSize(text: string): number | null {
  const [, number, prefix = '', binary] = /^(\d+(?:\.\d+)?)\s*(?:([kmgt])(i)?)?b$/i.exec(text.trim()) ?? [];
  const power = ' kmgt'.indexOf(prefix.toLowerCase() || ' ');
  const bytes = Math.round(Number(number) * (binary ? 1024 : 1000) ** power);
  return Number.isSafeInteger(bytes) && bytes > 0 ? bytes : null;
}

/** `812 B`, `71.3 MB`, `4.02 GB`: three figures, powers of 1000. */
export function formatByteSize(bytes: number): string {
  let power = 0;
  // 999.5 would already be written as 1000.
  while (power < UNITS.length - 1 && bytes / 1000 ** power >= 999.5) power++;
  const value = bytes / 1000 ** power;
  const places = power === 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return `${value.toFixed(places)} ${UNITS[power]}`;
}
