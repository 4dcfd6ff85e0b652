/** Settings in YAML files, with the line and column of whatever is wrong: the only importer of the yaml package. */
import { readFile } from 'node:fs/promises';
import { isMap, isScalar, isSeq, LineCounter, type Node, parseDocument, visit, type YAMLMap } from 'yaml';
import { camelCase, kebabCase } from '../case.js';
import { didYouMean } from '../closest.js';
import { InputError } from '../errors.js';
import { fileError } from '../formats/file-error.js';
import type { Table } from './table.js';
import { readValue } from './text.js';

export { isMap, isScalar, isSeq, type YAMLMap };

/** A place in the file. */
export interface YamlNode {
  range?: [number, number, number] | null;
  toJSON(): unknown;
}

/** Characters of a file; thousands of runs, each written out, take no more. */
const LONGEST = 2 ** 18;

export class SettingsFile {
  readonly root: YAMLMap;
  readonly #lines = new LineCounter();

  /**
   * @param table settings that the file may hold
   * @param command whose help lists them
   * @throws InputError unless it is YAML, and a mapping
   */
  constructor(
    source: string,
    readonly path: string,
    private readonly table: Table,
    private readonly command: string,
  ) {
    if (source.length > LONGEST)
      throw new InputError(`${path}: has ${source.length} characters; at most ${LONGEST} are read`);
    // The library compares every key with every other.
    const document = parseDocument(source, { lineCounter: this.#lines, uniqueKeys: false });
    const [fault] = document.errors;
    if (fault) throw new InputError(`${this.at(fault.pos[0])}: ${reasonOf(fault)}`);
    visit(document, {
      Alias: (_, node) => {
        throw new InputError(
          `${this.of(node)}: *${node.source} stands for another value; write the value out`,
        );
      },
      Map: (_, { items }) => {
        const seen = new Set<string>();
        for (const { key } of items as { key: Node }[]) {
          if (seen.has(String(key))) throw new InputError(`${this.of(key)}: "${key}" stands here twice`);
          seen.add(String(key));
        }
      },
    });
    if (!isMap(document.contents))
      throw new InputError(`${path}:1: holds no settings; write one "name: value" per line`);
    this.root = document.contents;
  }

  /** The settings of a mapping, but for its keys that are no settings. */
  settings(node: YAMLMap, others: readonly string[] = []): Record<string, unknown> {
    const entries = node.items
      .filter(({ key }) => !others.includes(String(key)))
      .map(({ key, value }) => {
        const name = this.key(key as YamlNode, others);
        return [name, this.value(name, value as YamlNode | null, key as YamlNode)];
      });
    return Object.fromEntries(entries);
  }

  /** @throws InputError unless it is a setting, spelt as its flag is: so plan, config file and command line read the same */
  key(node: YamlNode, others: readonly string[] = []): string {
    const name = String(node);
    const key = camelCase(name);
    if (Object.hasOwn(this.table, key) && kebabCase(key) === name) return key;
    const known = [...Object.keys(this.table).map(kebabCase), ...others];
    throw new InputError(
      `${this.of(node)}: "${name}" is no setting of ${this.command}; ` +
        `see orthoscope ${this.command} --help${didYouMean(name, known)}`,
    );
  }

  value(key: string, node: YamlNode | null, before?: YamlNode): unknown {
    if (node === null) throw new InputError(`${this.of(before!)}: "${kebabCase(key)}" has no value`);
    return this.read(key, node.toJSON(), node);
  }

  /** @param raw what the node stands for */
  read(key: string, raw: unknown, node: YamlNode): unknown {
    const read = readValue(this.table[key]!, raw);
    if ('value' in read) return read.value;
    const shown = typeof raw === 'string' ? raw : JSON.stringify(raw);
    throw new InputError(`${this.of(node)}: ${kebabCase(key)} ${shown}: ${read.problem}`);
  }

  /** Where a node stands: `plan.yaml:3:8`. */
  of(node: YamlNode): string {
    return this.at(node.range?.[0] ?? 0);
  }

  private at(offset: number): string {
    const { line, col } = this.#lines.linePos(offset);
    return `${this.path}:${line}:${col}`;
  }
}

/** @throws InputError if the file cannot be read */
export async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw fileError(error, path);
  }
}

/** The parser goes into what is nested by calling itself. */
function reasonOf({ message }: { message: string }): string {
  return /call stack/.test(message)
    ? 'nested too deeply'
    : message.split('\n')[0]!.replace(/ at line.*$/, '');
}
