/** Which column of a file holds what: by its own name, by another that is usual, or as the user says. */
import { InputError } from '../errors.js';
import { describeJson, parseJson } from './json-file.js';

export type ColumnKind = 'text' | 'texts' | 'id' | 'ids' | 'label' | 'year' | 'classes';

/** What is read of a prompt pair. */
export const COLUMNS: Record<string, ColumnKind> = {
  clean: 'text',
  clean_ids: 'ids',
  corrupted: 'text',
  corrupted_ids: 'ids',
  answer: 'text',
  answer_id: 'id',
  answers: 'texts',
  answer_ids: 'ids',
  distractor: 'text',
  distractor_id: 'id',
  distractors: 'texts',
  distractor_ids: 'ids',
  greater_than: 'year',
  token_classes: 'classes',
  group: 'label',
  id: 'label',
};

/** Names that other tools give to the same columns. */
const ALIASES: Record<string, string> = {
  text: 'clean',
  ids: 'clean_ids',
  corrupt: 'corrupted',
  wrong_answers: 'distractors',
};

/** The index of a table, which pandas and Arrow write as a column. */
const INDEX = /^(|Unnamed: 0|__index_level_\d+__)$/;

/** Our name of a column → the file's, or a text made of some: `country`, ` {country}`. */
export type ColumnChoice = ReadonlyMap<string, string>;

/**
 * Reads `answer=country,distractor= {other}`. Such a choice tells all that is to be read under names that are not
 * ours: the file's other columns are passed over.
 * @throws InputError if it is not of that form, or gives a name that no column of ours has
 */
export function columnChoice(text: string | null): ColumnChoice | null {
  if (text === null) return null;
  const choice = new Map<string, string>();
  for (const part of text.split(/,(?=\s*\w+=)/)) {
    const [, name, source] = /^\s*(\w+)=(.+)$/s.exec(part) ?? [];
    if (name === undefined) throw new InputError(`--columns ${part}: write NAME=COLUMN, e.g. answer=country`);
    if (!Object.hasOwn(COLUMNS, name))
      throw new InputError(`--columns ${part}: no "${name}"; known are ${Object.keys(COLUMNS).join(', ')}`);
    if (choice.has(name)) throw new InputError(`--columns: "${name}" is given twice`);
    choice.set(name, source!);
  }
  return choice;
}

/** The file's columns that a choice reads. */
export function columnsRead(source: string): string[] {
  const slots = [...source.matchAll(SLOT)].map(([, column]) => column!);
  return slots.length > 0 ? slots : [source];
}

/** A column in braces, and which part of its text is meant. */
const SLOT = /\{([^{}]+?)(?::(start|last))?\}/g;

/** A text without its last word, or that word with its space: some sets hold whole sentences, answer and all. */
function partOf(text: string, part: string | undefined): string {
  if (part === undefined) return text;
  const whole = text.trimEnd();
  let at = whole.length;
  while (at > 0 && !/\s/.test(whole[at - 1]!)) at--;
  const start = whole.slice(0, at).trimEnd();
  return part === 'start' ? start : whole.slice(start.length);
}

/** A column's value; of records within records by the way to it: `counterfactual.prompt`, `choices.0`. */
export function fieldOf(fields: Readonly<Record<string, unknown>>, column: string): unknown {
  if (Object.hasOwn(fields, column)) return fields[column];
  return column.split('.').reduce<unknown>((within, step) => {
    const has = typeof within === 'object' && within !== null && Object.hasOwn(within, step);
    return has ? (within as Record<string, unknown>)[step] : undefined;
  }, fields);
}

interface Reading {
  /** Whether all cells are strings, so that numbers and lists in them must be parsed (CSV). */
  untyped: boolean;
  choice: ColumnChoice | null;
  /** What is done with a column that nobody knows. */
  others: 'refuse' | 'pass over';
}

/**
 * A record's values under our names; null and absent ones are left out.
 * @param where what messages begin with
 * @throws InputError if a column is unknown, or one is given under two names
 */
export function knownColumns(
  fields: Record<string, unknown>,
  { untyped, choice, others }: Reading,
  where: string,
): Record<string, unknown> {
  const known: Record<string, unknown> = {};
  const unknown: string[] = [];
  for (const [name, source] of choice ?? []) {
    const value = chosen(fields, source, COLUMNS[name]!, untyped, `${where}: "${name}"`);
    if (value !== undefined && value !== null) known[name] = value;
  }
  for (const [column, value] of Object.entries(fields)) {
    const name = Object.hasOwn(ALIASES, column) ? ALIASES[column]! : column;
    if (choice?.has(name) || INDEX.test(column)) continue;
    if (!Object.hasOwn(COLUMNS, name)) unknown.push(column);
    if (!Object.hasOwn(COLUMNS, name) || value === null) continue;
    if (Object.hasOwn(known, name))
      throw new InputError(
        `${where}: "${name}" and its other name "${otherName(name)}" are both given; give one`,
      );
    known[name] = untyped ? typedCell(value as string, COLUMNS[name]!, `${where}: "${column}"`) : value;
  }
  if (unknown.length > 0 && others === 'refuse' && choice === null)
    throw new InputError(`${where}: ${unknownColumns(unknown)}`);
  return known;
}

/** Of the columns that are not known. */
const SHOWN = 10;

function unknownColumns(columns: readonly string[]): string {
  const named = columns
    .slice(0, SHOWN)
    .map((column) => `"${column}"`)
    .concat(columns.length > SHOWN ? [`and ${columns.length - SHOWN} more`] : [])
    .join(', ');
  const ids = columns.find((column) => /_(idx|ids?)$/.test(column));
  const example = ids
    ? `answer_id=${ids}, if those are token ids of this very tokenizer`
    : `answer=${columns[0]}, or "answer= {${columns[0]}}" with a space in front`;
  return (
    `unknown column${columns.length > 1 ? 's' : ''} ${named}; known are ${Object.keys(COLUMNS).join(', ')}. ` +
    `Say which holds what, and the others are passed over: --columns ${example}`
  );
}

function otherName(name: string): string {
  return Object.keys(ALIASES).find((alias) => ALIASES[alias] === name)!;
}

/** The value of a column, or of a text with columns in braces; of a list, each item in the text. */
function chosen(
  fields: Record<string, unknown>,
  source: string,
  kind: ColumnKind,
  untyped: boolean,
  where: string,
): unknown {
  const value = (column: string) => {
    const found = fieldOf(fields, column);
    return untyped && found !== undefined ? typedCell(found as string, kind, where) : found;
  };
  const columns = columnsRead(source);
  if (columns[0] === source) return value(source);
  const values = new Map(columns.map((column) => [column, value(column)]));
  if ([...values.values()].some((each) => each === undefined || each === null)) return undefined;
  const filled = (at: number) =>
    source.replace(SLOT, (_, column: string, part?: string) => {
      const found = values.get(column);
      return partOf(String(Array.isArray(found) ? found[at] : found), part);
    });
  const list = [...values.values()].find(Array.isArray);
  return list ? list.map((_, at) => filled(at)) : filled(0);
}

/** A cell as a value of its column's kind; lists are JSON, as Python or NumPy prints them, or separated by `|`. */
function typedCell(cell: string, kind: ColumnKind, where: string): unknown {
  if (kind === 'id' || kind === 'year') return number(cell);
  if (kind !== 'ids' && kind !== 'texts' && kind !== 'classes') return cell;
  const written = cell.trim();
  try {
    if (kind === 'classes' || written.startsWith('[')) return parseJson(cell);
  } catch {
    // Perhaps Python's.
  }
  const list = kind === 'classes' ? null : pythonList(written);
  if (list) return list;
  if (kind === 'classes' || written.startsWith('['))
    throw new InputError(`${where}: ${describeJson(cell)} should be JSON, but is none`);
  const items = cell.split('|');
  return kind === 'ids' ? items.map(number) : items;
}

/** The whole number that a cell spells, which pandas writes with ".0" where cells are missing; other text as it is. */
function number(cell: string): number | string {
  return /^-?\d+(\.0*)?$/.test(cell.trim()) ? Number(cell) : cell;
}

const ITEM = /\s*(?:'((?:[^'\\]+|\\.)*)'|"((?:[^"\\]+|\\.)*)"|(-?\d+))(\s*,|\s+|$)/suy;
const ESCAPES: Record<string, string> = { n: '\n', r: '\r', t: '\t' };

/** Characters of a list that is no JSON: a pattern exhausts its stack on far longer ones. */
const LONGEST_LIST = 1_000_000;

/** Texts and whole numbers as Python prints a list, tuple or set of them, or NumPy an array; null for anything else. */
function pythonList(cell: string): (string | number)[] | null {
  const ends = cell.slice(0, 1) + cell.slice(-1);
  if (!['[]', '()', '{}'].includes(ends) || cell.length > LONGEST_LIST) return null;
  const inner = cell.slice(1, -1).trim();
  // A single "(A)" is a text.
  if (!cell.startsWith('[') && !/^['"]/.test(inner)) return null;
  const items: (string | number)[] = [];
  ITEM.lastIndex = 0;
  while (ITEM.lastIndex < inner.length) {
    const found = ITEM.exec(inner);
    if (!found) return null;
    const [, single, double, whole] = found;
    items.push(whole === undefined ? unescaped(single ?? double!) : Number(whole));
  }
  return items;
}

/** What is no escape of Python's stays as it stands. */
function unescaped(text: string): string {
  return text.replace(
    /\\(?:x([\da-fA-F]{2})|u([\da-fA-F]{4})|U([\da-fA-F]{8})|(.))/gsu,
    (whole, x?: string, u?: string, U?: string, other?: string) => {
      if (other !== undefined) return ESCAPES[other] ?? (/[xuU]/.test(other) ? whole : other);
      const code = Number.parseInt((x ?? u ?? U)!, 16);
      return code <= 0x10ffff ? String.fromCodePoint(code) : whole;
    },
  );
}
