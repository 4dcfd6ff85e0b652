/** Rows of a JSON file that holds a list of objects, alone or within one object beside other things. */
import { readFile } from 'node:fs/promises';
import { InputError } from '../errors.js';
import { fileError } from './file-error.js';
import { isRecord, parseData } from './json-file.js';
import { refusePointer } from './lfs-pointer.js';

/** What is parsed as one text; larger data are kept a line each. */
const LARGEST = 2 ** 28;

/** @throws InputError if the file is missing, too large, no JSON, or holds no such list, or more than one */
export async function readJsonRows(path: string): Promise<unknown[]> {
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (error) {
    throw fileError(error, path);
  }
  if (bytes.length > LARGEST)
    throw new InputError(
      `${path}: ${bytes.length} bytes in one JSON value, at most ${LARGEST} are read; write one object a line (.jsonl)`,
    );
  let value: unknown;
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    refusePointer(text, path);
    value = parseData(text);
  } catch (error) {
    if (error instanceof InputError) throw error;
    const fault = error instanceof SyntaxError ? error.message.replace(/\s+/g, ' ') : 'not valid UTF-8';
    throw new InputError(`${path}: not valid JSON (${fault}); is it one object a line? Call it .jsonl`);
  }
  if (Array.isArray(value)) return value;
  const lists = isRecord(value) ? Object.entries(value).filter(([, each]) => isListOfObjects(each)) : [];
  if (lists.length === 1) return lists[0]![1] as unknown[];
  throw new InputError(
    lists.length === 0
      ? `${path}: holds no list of objects; from pandas: to_json(…, orient="records")`
      : `${path}: holds several lists of objects (${lists.map(([name]) => `"${name}"`).join(', ')}); leave one`,
  );
}

function isListOfObjects(value: unknown): boolean {
  return Array.isArray(value) && value.length > 0 && value.every(isRecord);
}
