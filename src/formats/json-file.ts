/** Reads JSON files with errors that say where and what. */
import { readFile } from 'node:fs/promises';
import { InputError } from '../errors.js';
import { fileError } from './file-error.js';
import { refusePointer } from './lfs-pointer.js';

/**
 * Reads a file that holds one JSON object.
 * @throws InputError if it is missing, is not JSON, or holds something else than an object
 */
export async function readJson(path: string): Promise<Record<string, unknown>> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    throw fileError(error, path);
  }
  refusePointer(text, path);
  return parseJsonObject(text, path);
}

/**
 * Parses the text of one JSON object.
 * @param where what the message begins with: a path, with a line number where there is one
 * @param parse {@link parseData} for data
 * @throws InputError if it is not JSON, or something else than an object
 */
export function parseJsonObject(
  text: string,
  where: string,
  parse: (text: string) => unknown = parseJson,
): Record<string, unknown> {
  let value: unknown;
  try {
    value = parse(text.replace(/^\uFEFF/, ''));
  } catch (error) {
    // The engine quotes the text around the fault, line breaks included; a message stays on one line.
    const fault = (error as SyntaxError).message.replace(/\s+/g, ' ');
    throw new InputError(`${where}: not valid JSON (${fault})`);
  }
  if (!isRecord(value))
    throw new InputError(`${where}: expected a JSON object, found ${describeJson(value)}`);
  return value;
}

/** Levels of lists and objects within each other: far more than any file needs, few enough for whatever walks them. */
const MOST_LEVELS = 200;

/**
 * `JSON.parse` for text from outside.
 * @throws SyntaxError if it is not JSON, or nested so deeply that it would exhaust the stack of whoever walks it
 */
export function parseJson(text: string): unknown {
  const value: unknown = JSON.parse(text);
  // Each level takes two characters.
  if (text.length > 2 * MOST_LEVELS && isDeeper(value, MOST_LEVELS))
    throw new SyntaxError(`nested more than ${MOST_LEVELS} levels deep`);
  return value;
}

/**
 * `parseJson` for data, where Python's NaN and infinities, which are no JSON, stand for cells that are not given.
 * @throws SyntaxError as {@link parseJson} does
 */
export function parseData(text: string): unknown {
  try {
    return parseJson(text);
  } catch (error) {
    const changed = withoutNaN(text);
    if (changed === text) throw error;
    return parseJson(changed);
  }
}

/** JSON with null for what Python writes in place of numbers; strings stay as they are. */
function withoutNaN(text: string): string {
  const pieces: string[] = [];
  for (let at = 0; at < text.length; ) {
    const quote = text.indexOf('"', at);
    const outside = text.slice(at, quote < 0 ? text.length : quote);
    pieces.push(outside.replace(/-?\b(?:NaN|Infinity)\b/g, 'null'));
    at = quote < 0 ? text.length : endOfString(text, quote);
    if (quote >= 0) pieces.push(text.slice(quote, at));
  }
  return pieces.join('');
}

/** Behind the quote that ends a string, or the end of the text. A pattern would exhaust its stack on a long one. */
export function endOfString(text: string, quote: number): number {
  for (let end = text.indexOf('"', quote + 1); end >= 0; end = text.indexOf('"', end + 1)) {
    let before = end;
    while (text[before - 1] === '\\') before--;
    if ((end - before) % 2 === 0) return end + 1;
  }
  return text.length;
}

function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (levels === 0) return true;
  for (const key in value) if (isDeeper(value[key as keyof typeof value], levels - 1)) return true;
  return false;
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A JSON value's kind, for messages: `a list`, `null`, `the string "x"`. */
export function describeJson(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'an object';
  const text = JSON.stringify(value);
  return `the ${typeof value} ${text.length > 40 ? `${text.slice(0, 40)}…` : text}`;
}
