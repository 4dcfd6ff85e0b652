/** Users' own data: pairs of a clean and a corrupted prompt, with the answers that are looked for. */
import { InputError } from '../errors.js';
import { writeText } from './atomic-file.js';
import { COLUMNS, type ColumnKind, columnChoice, columnsRead, fieldOf, knownColumns } from './columns.js';
import { filesOf } from './data-files.js';
import { describeJson, isRecord } from './json-file.js';
import { readRows } from './table-file.js';

/** A prompt or an answer is text, or token ids for those who have no tokenizer. */
export interface PromptPair {
  /** Unique in its file. */
  id: string;
  /** Pairs may be reported in groups, e.g. by template. */
  group?: string;
  clean: string | number[];
  corrupted?: string | number[];
  /** Right continuations, any of them; empty where none is given. */
  answers: string[] | number[];
  /** Continuations that answers are compared with. */
  distractors: string[] | number[];
  /** What tokens of the clean prompt are, by class: texts in it, or indices of its tokens. */
  classes?: Record<string, (string | number)[]>;
}

/**
 * Reads a table of prompt pairs: JSONL, JSON, CSV or Parquet (docs/formats.md, "Prompt pairs"). A pair without an `id`
 * is called by its line number; a folder or a pattern stands for all of its files, whose lines are counted on.
 * @param columns which of the file's hold what, where they have other names: `answer= {country},distractor= {other}`
 * @throws InputError naming file, line and column
 * @example
 * import { readPromptPairs } from 'orthoscope';
 *
 * const pairs = await readPromptPairs('pairs.jsonl');
 * console.log(pairs.length, pairs[0].clean, pairs[0].answers);
 */
export async function readPromptPairs(path: string, columns: string | null = null): Promise<PromptPair[]> {
  const choice = columnChoice(columns);
  const pairs: PromptPair[] = [];
  const placeOf = new Map<string, string>();
  const missing = new Set([...(choice?.values() ?? [])].flatMap(columnsRead));
  const files = await filesOf(path);
  let before = 0;
  for (const file of files) {
    let last = 0;
    for await (const { line, fields, untyped } of readRows(file)) {
      const where = `${file}:${line}`;
      for (const column of missing) if (fieldOf(fields, column) !== undefined) missing.delete(column);
      const known = knownColumns(fields, { untyped, choice, others: 'refuse' }, where);
      const pair = parsePair(known, String(before + line), where);
      const earlier = placeOf.get(pair.id);
      if (earlier !== undefined)
        throw new InputError(`${where}: id "${pair.id}" is already that of ${earlier}`);
      placeOf.set(pair.id, files.length === 1 ? `line ${line}` : where);
      pairs.push(pair);
      last = line;
    }
    before += last;
  }
  if (pairs.length === 0) throw new InputError(`${path}: holds no prompt pairs`);
  for (const column of missing)
    throw new InputError(`${path}: no row has a column "${column}", which --columns names`);
  return pairs;
}

/** A prompt pair as a record of a JSONL file has it (docs/formats.md, "Prompt pairs"). */
export interface PairRecord {
  /** Name of the pair; its number, from 1, where absent. */
  id?: string;
  /** Pairs may be reported in groups, e.g. by template. */
  group?: string;
  /** The prompt that the model answers, as text; or, as token ids, `clean_ids`. */
  clean?: string;
  clean_ids?: readonly number[];
  /** The same without the information that decides the answer; or `corrupted_ids`. */
  corrupted?: string;
  corrupted_ids?: readonly number[];
  /** The right continuation, whose first token counts; or `answer_id`; or several, any of which is right. */
  answer?: string;
  answer_id?: number;
  answers?: readonly string[];
  answer_ids?: readonly number[];
  /** What the answer is compared with; likewise. */
  distractor?: string;
  distractor_id?: number;
  distractors?: readonly string[];
  distractor_ids?: readonly number[];
  /** What tokens of the clean prompt are, by class: texts in it, or indices of its tokens. */
  token_classes?: Readonly<Record<string, string | number | readonly (string | number)[]>>;
}

/**
 * Prompt pairs of records in memory, or of pairs that were read before.
 * @throws InputError naming the record, from 1, and its field
 */
export function promptPairsOf(records: readonly (PairRecord | PromptPair)[]): PromptPair[] {
  if (records.length === 0) throw new InputError('there are no prompt pairs');
  return records.map((record, at) => {
    const fields = isPromptPair(record) ? fieldsOf(record) : record;
    const present = Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
    const where = `pair ${at + 1}`;
    const known = knownColumns(present, { untyped: false, choice: null, others: 'refuse' }, where);
    return parsePair(known, String(at + 1), where);
  });
}

/** Only a pair that was read has both lists, empty ones included. */
function isPromptPair(record: PairRecord | PromptPair): record is PromptPair {
  return Array.isArray(record.answers) && Array.isArray(record.distractors);
}

/**
 * The pair in one record of a data set that may have any other columns, too.
 * @param untyped whether cells are strings, and lists in them must be parsed
 * @throws InputError saying what is wrong, without naming a place
 */
export function parseRecord(fields: Record<string, unknown>, untyped: boolean): PromptPair {
  try {
    return parsePair(knownColumns(fields, { untyped, choice: null, others: 'pass over' }, ''), '', '');
  } catch (error) {
    if (error instanceof InputError) throw new InputError(error.message.replace(/^: /, ''));
    throw error;
  }
}

/**
 * Writes JSONL that {@link readPromptPairs} reads back as the same pairs.
 * @throws InputError if the file cannot be written
 * @example
 * import { readPromptPairs, writePromptPairs } from 'orthoscope';
 *
 * const pairs = await readPromptPairs('pairs.jsonl');
 * await writePromptPairs('half.jsonl', pairs.filter((_, at) => at % 2 === 0));
 */
export function writePromptPairs(path: string, pairs: readonly PromptPair[]): Promise<void> {
  const lines = pairs.map((pair) => `${JSON.stringify(fieldsOf(pair))}\n`);
  return writeText(path, lines.join(''));
}

/** A pair as a record. */
function fieldsOf({
  id,
  group,
  clean,
  corrupted,
  answers,
  distractors,
  classes,
}: PromptPair): Record<string, unknown> {
  return {
    id,
    group,
    token_classes: classes,
    ...prompt('clean', clean),
    ...prompt('corrupted', corrupted),
    ...choices('answer', answers),
    ...choices('distractor', distractors),
  };
}

function prompt(column: string, value: string | number[] | undefined): Record<string, unknown> {
  return { [typeof value === 'string' ? column : `${column}_ids`]: value };
}

function choices(column: string, values: readonly string[] | readonly number[]): Record<string, unknown> {
  if (values.length === 0) return {};
  const suffix = typeof values[0] === 'string' ? '' : '_id';
  return values.length === 1
    ? { [`${column}${suffix}`]: values[0] }
    : { [suffix ? `${column}_ids` : `${column}s`]: values };
}

function parsePair(fields: Record<string, unknown>, line: string, where: string): PromptPair {
  const given = new Map<string, unknown>();
  for (const [column, value] of Object.entries(fields))
    given.set(column, checked(value, COLUMNS[column]!, `${where}: "${column}"`));
  expandGreaterThan(given, where);

  const clean = oneOf(given, ['clean', 'clean_ids'], where) as string | number[] | undefined;
  if (clean === undefined)
    throw new InputError(`${where}: no prompt; give "clean" as text or "clean_ids" as token ids`);
  const corrupted = oneOf(given, ['corrupted', 'corrupted_ids'], where) as string | number[] | undefined;
  if (corrupted !== undefined && typeof corrupted !== typeof clean)
    throw new InputError(`${where}: one prompt is text and the other token ids; give both in the same way`);
  const answers = choicesOf(given, 'answer', where);
  const distractors = choicesOf(given, 'distractor', where);
  if (typeof clean !== 'string' && [...answers, ...distractors].some((choice) => typeof choice === 'string'))
    throw new InputError(`${where}: prompts given as token ids need their answers as ids, too ("answer_id")`);
  if (distractors.length > 0 && answers.length === 0)
    throw new InputError(`${where}: a distractor without an answer has nothing to be compared with`);
  return {
    id: (given.get('id') as string | undefined) ?? line,
    ...(given.has('group') && { group: given.get('group') as string }),
    clean,
    ...(corrupted !== undefined && { corrupted }),
    answers,
    distractors,
    ...(given.has('token_classes') && {
      classes: given.get('token_classes') as Record<string, (string | number)[]>,
    }),
  };
}

/** Of two digits, as in Hanna et al. 2023: all larger numbers are right, the others are wrong. */
function expandGreaterThan(given: Map<string, unknown>, where: string): void {
  const end = given.get('greater_than') as number | undefined;
  if (end === undefined) return;
  const rival = [...given.keys()].find((name) => /^(answer|distractor)/.test(name));
  if (rival) throw new InputError(`${where}: "greater_than" and "${rival}" exclude each other; give one`);
  const numbers = Array.from({ length: 100 }, (_, n) => String(n).padStart(2, '0'));
  given.set('answers', numbers.slice(end + 1)).set('distractors', numbers.slice(0, end + 1));
}

function choicesOf(given: Map<string, unknown>, column: string, where: string): string[] | number[] {
  const value = oneOf(given, [column, `${column}_id`, `${column}s`, `${column}_ids`], where);
  if (value === undefined) return [];
  return (Array.isArray(value) ? value : [value]) as string[] | number[];
}

/** The value of the one column that is given. */
function oneOf(given: Map<string, unknown>, columns: string[], where: string): unknown {
  const present = columns.filter((column) => given.has(column));
  if (present.length > 1)
    throw new InputError(`${where}: "${present.join('" and "')}" exclude each other; give one`);
  return present.length === 1 ? given.get(present[0]!) : undefined;
}

/** The value, if it is of the column's kind. */
function checked(value: unknown, kind: ColumnKind, where: string): unknown {
  switch (kind) {
    case 'text':
      return nonEmptyText(value, where);
    case 'texts':
      return list(value, where).map((item, at) => nonEmptyText(item, `${where}, item ${at + 1}`));
    case 'id':
      return tokenId(value, where);
    case 'ids':
      return list(value, where).map((item) => tokenId(item, where));
    case 'year': {
      // Digits that go behind a prompt are kept as text, so that "07" stays one.
      const year = typeof value === 'string' && /^\d\d?$/.test(value) ? Number(value) : value;
      if (Number.isInteger(year) && (year as number) >= 0 && (year as number) < 99) return year;
      throw new InputError(`${where}: expected a number from 0 to 98, found ${describeJson(value)}`);
    }
    case 'label':
      if (typeof value === 'number') return String(value);
      return nonEmptyText(value, where);
    case 'classes':
      return tokenClasses(value, where);
  }
}

/** `{"subject": " John", "verb": [9]}`; what stands alone becomes a list of one. */
function tokenClasses(value: unknown, where: string): Record<string, (string | number)[]> {
  if (!isRecord(value))
    throw new InputError(
      `${where}: expected an object such as {"verb": " gave"}, found ${describeJson(value)}`,
    );
  return Object.fromEntries(
    Object.entries(value).map(([name, tokens]) => [
      name,
      list(Array.isArray(tokens) ? tokens : [tokens], `${where}, "${name}"`).map((token) =>
        typeof token === 'string'
          ? nonEmptyText(token, `${where}, "${name}"`)
          : tokenId(token, `${where}, "${name}"`),
      ),
    ]),
  );
}

function nonEmptyText(value: unknown, where: string): string {
  if (typeof value !== 'string') {
    const several = Array.isArray(value) ? '; several go under a name of the plural, as "answers"' : '';
    throw new InputError(`${where}: expected text, found ${describeJson(value)}${several}`);
  }
  if (value === '') throw new InputError(`${where}: is empty`);
  return value;
}

function list(value: unknown, where: string): unknown[] {
  if (!Array.isArray(value)) throw new InputError(`${where}: expected a list, found ${describeJson(value)}`);
  if (value.length === 0) throw new InputError(`${where}: is an empty list`);
  return value;
}

function tokenId(value: unknown, where: string): number {
  if (!Number.isSafeInteger(value) || (value as number) < 0)
    throw new InputError(`${where}: ${describeJson(value)} is not a token id (0, 1, 2, …)`);
  return value as number;
}
