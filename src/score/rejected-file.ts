/** `rejected.jsonl`: every record that was not scored, with its place and the reason. */
import { existsSync } from 'node:fs';
import { appendFile, readFile, stat, truncate } from 'node:fs/promises';
import { InputError } from '../errors.js';
import { fileError } from '../formats/file-error.js';
import { parseJsonObject } from '../formats/json-file.js';
import type { Rejected } from './data-sets.js';

export class RejectedFile {
  #waiting: string[] = [];

  private constructor(
    readonly path: string,
    private bytes: number,
  ) {}

  /**
   * Opens the file and drops what a killed run wrote behind `bytes`.
   * @throws InputError if it cannot be written, or has lost what was in it
   */
  static async open(path: string, bytes: number): Promise<RejectedFile> {
    try {
      const size = await stat(path).then(
        (found) => found.size,
        () => 0,
      );
      if (size > bytes) await truncate(path, bytes);
      if (size < bytes)
        throw new InputError(
          `${path}: is shorter than it was (${size} of ${bytes} bytes); start anew in another folder`,
        );
    } catch (error) {
      throw fileError(error, path);
    }
    return new RejectedFile(path, bytes);
  }

  add(rejected: readonly Rejected[]): void {
    for (const record of rejected) this.#waiting.push(`${JSON.stringify(record)}\n`);
  }

  /** Writes what was added. @returns the file's length then */
  async flush(): Promise<number> {
    if (this.#waiting.length > 0) {
      const text = this.#waiting.join('');
      try {
        await appendFile(this.path, text);
      } catch (error) {
        throw fileError(error, this.path);
      }
      this.bytes += Buffer.byteLength(text);
      this.#waiting = [];
    }
    return this.bytes;
  }
}

/** The text of the files of all shards together, as one run would have written it: by data set, then by line. */
export async function joinRejected(paths: readonly string[], dataSets: readonly string[]): Promise<string> {
  const all: { text: string; order: number; line: number }[] = [];
  for (const path of paths) {
    if (!existsSync(path)) continue;
    for (const text of (await readFile(path, 'utf8')).split('\n')) {
      if (text === '') continue;
      const { data_set, line } = parseJsonObject(text, path) as unknown as Rejected;
      all.push({ text: `${text}\n`, order: dataSets.indexOf(data_set), line });
    }
  }
  return all
    .sort((a, b) => a.order - b.order || a.line - b.line)
    .map(({ text }) => text)
    .join('');
}
