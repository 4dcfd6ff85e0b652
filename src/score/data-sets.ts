/** The data sets that are scored, read in blocks. A block is scored as a whole, by the shard that it belongs to. */
import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { InputError } from '../errors.js';
import { filesOf, namedFile, usualName } from '../formats/data-files.js';
import { fileError } from '../formats/file-error.js';
import { type PromptPair, parseRecord } from '../formats/prompt-pairs.js';
import { formatOf, type RecordFormat } from '../formats/record-format.js';
import { checkSource, readRecords, type StreamRecord } from '../formats/record-stream.js';
import { inShard, type Shard } from '../shard.js';
import { type Passage, type PassageSettings, passagesOf, textsOfRecord } from './passages.js';

export interface DataSet {
  name: string;
  /** Read one after the other, as one. */
  files: readonly string[];
  format: RecordFormat;
}

/** Records in a block, which are batched together: another number changes the last digits of results. */
const BLOCK_RECORDS = 512;

export interface Rejected {
  data_set: string;
  line: number;
  /** Bytes before the line; null where that is not known. */
  offset: number | null;
  reason: string;
}

export interface RecordBlock {
  /** From 0, those of other shards included. */
  number: number;
  /** Records of the data set up to the end of this block. */
  records: number;
  /** Whether it belongs to this shard; if not, there are no passages. */
  own: boolean;
  clean: Passage[];
  corrupted: Passage[];
  windows: number;
  rejected: Rejected[];
  /** Length of its records as text, to compare with the size of the file. */
  bytes: number;
  /** SHA-256, hex, chained over the contents of all records up to here. */
  hash: string;
}

/** The chained hash of no records. */
export const FIRST_HASH = createHash('sha256').digest('hex');

/**
 * Data sets as the command line names them: `FILE` or `NAME=FILE`; `-` is the standard input. A folder or a pattern
 * stands for all of its files, and what is given the same NAME is one data set.
 * @throws InputError if two have one name by chance, a format cannot be told, or a file is missing or cannot be read
 */
export async function dataSetsOf(items: readonly string[], format: RecordFormat | null): Promise<DataSet[]> {
  if (items.length === 0) throw new InputError('no data: give --data FILE, or --data NAME=FILE');
  const sets = new Map<string, DataSet & { files: string[]; given: boolean }>();
  for (const item of items) {
    const { name: given, path } = namedFile(item);
    const name = dataSetName(item);
    if (name === '')
      throw new InputError(`--data ${item}: a name for files cannot be made of it; give NAME=FILE`);
    const files = await filesOf(path);
    const own = format ?? formatOf(files[0]!, ', or give --format');
    const other = files.find((file) => format === null && formatOf(file) !== own);
    const set = sets.get(name) ?? { name, files: [], format: own, given: given !== null };
    if (other !== undefined || set.format !== own)
      throw new InputError(`--data ${item}: "${name}" has files of several formats; give them apart`);
    if (sets.has(name) && !(set.given && given !== null))
      throw new InputError(`--data ${item}: a data set is called "${name}" already; give NAME=FILE`);
    for (const file of files) {
      await sizeOf(file);
      await checkSource({ path: file, format: own });
    }
    set.files.push(...files);
    sets.set(name, set);
  }
  const all = [...sets.values()].map(({ given: _, ...set }) => set);
  if (all.flatMap(({ files }) => files).filter((file) => file === '-').length > 1)
    throw new InputError('--data -: the standard input can be read once only');
  return all;
}

/** What the data set `FILE` or `NAME=FILE` is called. */
export function dataSetName(item: string): string {
  const { name, path } = namedFile(item);
  return name ?? usualName(path);
}

/** A data set's files in a few words. */
export function sourceOf({ files }: DataSet): string {
  const first = files[0] === '-' ? 'standard input' : basename(files[0]!);
  return files.length === 1 ? first : `${first} and ${files.length - 1} more`;
}

/** Bytes of all files; null where one has no size. */
export async function bytesOf({ files }: DataSet): Promise<number | null> {
  const sizes = await Promise.all(files.map(sizeOf));
  return sizes.includes(null) ? null : sizes.reduce<number>((sum, size) => sum + size!, 0);
}

/** Bytes of a file; null for the standard input and what else has no size. */
async function sizeOf(path: string): Promise<number | null> {
  if (path === '-') return null;
  try {
    const found = await stat(path);
    if (found.isDirectory()) throw new InputError(`${path}: is a folder, not a file`);
    return found.isFile() ? found.size : null;
  } catch (error) {
    throw fileError(error, path);
  }
}

/**
 * Streams the blocks of a data set.
 * @param options.skip blocks that were done before: they are read and hashed, and come without passages
 */
export async function* readBlocks(
  dataSet: DataSet,
  settings: PassageSettings,
  { shard, skip, onBytes }: { shard: Shard; skip: number; onBytes: (bytes: number) => void },
): AsyncGenerator<RecordBlock> {
  let hash = FIRST_HASH;
  let records = 0;
  let number = 0;
  let bytes = 0;
  let contents: string[] = [];
  let taken: StreamRecord[] = [];
  const isOwn = () => number >= skip && inShard(number, shard);
  const finished = (): RecordBlock => {
    hash = createHash('sha256').update(hash).update(contents.join('\n')).digest('hex');
    const block = {
      number,
      records,
      own: isOwn(),
      ...readPassages(taken, dataSet.name, settings),
      bytes,
      hash,
    };
    number++;
    [bytes, contents, taken] = [0, [], []];
    return block;
  };
  for await (const record of recordsOf(dataSet, onBytes)) {
    records++;
    bytes += record.bytes;
    contents.push(`${record.line} ${JSON.stringify(record.fields ?? record.fault)}`);
    if (isOwn()) taken.push(record);
    if (contents.length === BLOCK_RECORDS) yield finished();
  }
  if (contents.length > 0) yield finished();
}

/** Of all files, their lines counted on from one to the next. */
async function* recordsOf(
  { files, format }: DataSet,
  onBytes: (bytes: number) => void,
): AsyncGenerator<StreamRecord> {
  let before = 0;
  for (const path of files) {
    let last = before;
    for await (const record of readRecords({ path, format }, onBytes)) {
      last = before + record.line;
      const fault =
        record.fault &&
        (files.length > 1 ? `${basename(path)}:${record.line}: ${record.fault}` : record.fault);
      yield { ...record, line: last, ...(fault !== undefined && { fault }) };
    }
    before = last;
  }
}

type FromRecords = Pick<RecordBlock, 'clean' | 'corrupted' | 'windows' | 'rejected'>;

function readPassages(
  records: readonly StreamRecord[],
  name: string,
  settings: PassageSettings,
): FromRecords {
  const found: FromRecords = { clean: [], corrupted: [], windows: 0, rejected: [] };
  const pairs = records.map(pairOrFault);
  settings.tokenizer?.encodeAhead(
    pairs.flatMap((pair) => (typeof pair === 'string' ? [] : textsOfRecord(pair, settings))),
  );
  for (const [i, { line, offset }] of records.entries()) {
    const pair = pairs[i]!;
    const passages = typeof pair === 'string' ? pair : orFault(() => passagesOf(line, pair, settings));
    if (typeof passages === 'string') {
      found.rejected.push({ data_set: name, line, offset, reason: passages });
      continue;
    }
    found.clean.push(...passages.clean);
    found.corrupted.push(...passages.corrupted);
    found.windows += passages.windows;
  }
  return found;
}

function pairOrFault({ fields, fault, untyped }: StreamRecord): PromptPair | string {
  return fields ? orFault(() => parseRecord(fields, untyped)) : fault!;
}

/** What comes of the work, or why it cannot be done. */
function orFault<T>(work: () => T): T | string {
  try {
    return work();
  } catch (error) {
    if (error instanceof InputError) return error.message;
    throw error;
  }
}
