/** Scores data sets into a folder: block by block, with statistics on disk from which a killed run goes on. */
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { InputError, throwIfAborted } from '../errors.js';
import type { LongCall } from '../progress.js';
import type { Shard } from '../shard.js';
import { type Block, type DataSet, FIRST_HASH, readBlocks, sizeOf } from './data-sets.js';
import { SIDES } from './layer-rows.js';
import type { PassageSettings } from './passages.js';
import type { ReaderThreads } from './reader-threads.js';
import type { ReadingBasis } from './reading-basis.js';
import { RejectedFile } from './rejected-file.js';
import type { LayerValues, Scorer } from './scorer.js';
import { type Counters, NO_COUNTS, readStateFile, type StateFile, writeStateFile } from './state-file.js';
import type { ExampleSizes } from './statistics-state.js';
import { type ValueType, writeValues } from './values-file.js';

export interface ScoringSettings {
  passages: PassageSettings;
  shard: Shard;
  sizes: ExampleSizes;
  /** More rejected records than this end the run. */
  maxRejected: number;
  /** Also write every value; null: no. */
  values: ValueType | null;
  /** Between two writings of the statistics. */
  checkpointSeconds: number;
  /** What the statistics belong to: model, directions, sizes, positions. */
  identity: string;
}

export interface Scoring {
  /** Where files go. */
  folder: string;
  dataSets: readonly DataSet[];
  bases: readonly ReadingBasis[];
  scorer: Scorer;
  readers: ReaderThreads;
  settings: ScoringSettings;
}

export const STATES = 'states';
const REJECTED = 'rejected.jsonl';
/** A folder of files that readers of Parquet take for one table. */
const VALUES = 'scores.parquet';

export interface DataSetResult {
  counters: Counters;
  /** Chained SHA-256 of all its records, hex. */
  hash: string;
}

/** The file of a data set's statistics in a scoring folder. */
export function statePath(folder: string, name: string): string {
  return join(folder, STATES, `${name}.state`);
}

/**
 * Scores every data set, going on where an earlier sitting in this folder ended.
 * @returns by data set, what was read
 * @throws InputError if the data cannot be read, was changed since, or too many records are rejected; what is done
 *   is on disk then
 * @throws InterruptedError if the signal fires; likewise
 */
export async function scoreDataSets(
  scoring: Scoring,
  call: LongCall = {},
): Promise<Record<string, DataSetResult>> {
  const { folder, dataSets } = scoring;
  await mkdir(join(folder, STATES), { recursive: true });
  if (scoring.settings.values !== null) await mkdir(join(folder, VALUES), { recursive: true });
  const sizes = await Promise.all(dataSets.map(({ path }) => sizeOf(path)));
  const total = sizes.reduce<number>((sum, size) => sum + (size ?? 0), 0);
  const result: Record<string, DataSetResult> = {};
  let [rejectedBytes, rejected, before] = [0, 0, 0];
  for (const [i, dataSet] of dataSets.entries()) {
    const path = statePath(folder, dataSet.name);
    const earlier = existsSync(path) ? await readStateFile(path) : null;
    const { header } = earlier?.header.complete
      ? earlier
      : await scoreDataSet(scoring, dataSet, earlier, { rejectedBytes, rejected, before, total }, call);
    rejectedBytes = header.rejected_bytes;
    rejected += header.counters.rejected;
    before += sizes[i] ?? 0;
    result[dataSet.name] = { counters: header.counters, hash: header.data_hash };
  }
  return result;
}

/** What earlier data sets of the run came to. */
interface Before {
  rejectedBytes: number;
  rejected: number;
  /** Bytes of the data sets before, and of all. */
  before: number;
  total: number;
}

async function scoreDataSet(
  { folder, bases, scorer, readers, settings }: Scoring,
  dataSet: DataSet,
  earlier: StateFile | null,
  before: Before,
  { onProgress, signal }: LongCall,
): Promise<StateFile> {
  const { shard, identity, maxRejected, checkpointSeconds, passages, values } = settings;
  const path = statePath(folder, dataSet.name);
  const start = earlier?.header;
  const counters = { ...(start?.counters ?? NO_COUNTS) };
  const rejects = await RejectedFile.open(
    join(folder, REJECTED),
    start?.rejected_bytes ?? before.rejectedBytes,
  );
  if (earlier) await readers.restore(earlier.states);
  else await readers.clear();

  let [blocks, hash] = [start?.blocks ?? 0, start?.data_hash ?? FIRST_HASH];
  const save = async (complete: boolean): Promise<StateFile> => {
    // The threads take jobs in order: what was sent before is in these statistics, nothing else.
    const [states] = await Promise.all([readers.save(), scorer.drain()]);
    const rejected_bytes = await rejects.flush();
    const file: StateFile = {
      header: {
        data_set: dataSet.name,
        identity,
        shard: [shard.index, shard.of],
        blocks,
        complete,
        counters: { ...counters },
        data_hash: hash,
        rejected_bytes,
      },
      states,
    };
    await writeStateFile(path, file);
    return file;
  };

  const refuseTooMany = async () => {
    const rejected = before.rejected + counters.rejected;
    if (rejected <= maxRejected) return;
    await save(false);
    throw new InputError(
      `${dataSet.path}: ${rejected} records rejected, at most ${maxRejected} are tolerated; ` +
        `see ${join(folder, REJECTED)}, then give a larger --max-rejected with --resume, or mend the data`,
    );
  };

  let bytes = 0;
  let saved = performance.now();
  const pace = new Pace(counters.tokens);
  const progress = { shard, skip: blocks, onBytes: (read: number) => (bytes += read) };
  for await (const block of readBlocks(dataSet, passages, progress)) {
    if (block.number < blocks) {
      if (block.number === blocks - 1 && block.hash !== hash)
        throw new InputError(
          `${dataSet.path}: its first ${block.records} records are not those that were scored before; start anew in another folder`,
        );
      continue;
    }
    if (values === null) for await (const _ of scoreBlock(scorer, block, false));
    else if (block.own)
      await writeValues(
        valuesPath(folder, dataSet, block),
        dataSet.name,
        bases,
        values,
        scoreBlock(scorer, block, true),
      );
    rejects.add(block.rejected);
    blocks = block.number + 1;
    hash = block.hash;
    count(counters, block);
    await refuseTooMany();
    onProgress?.({
      stage: 'score',
      done: Math.min(before.before + bytes, before.total - 1),
      total: before.total,
      note: pace.note(counters),
    });
    const due = (performance.now() - saved) / 1000 > checkpointSeconds;
    if (due || signal?.aborted) {
      await save(false);
      saved = performance.now();
    }
    throwIfAborted(signal);
  }
  // One that ended for this is not let off because no record is left.
  await refuseTooMany();
  return save(true);
}

async function* scoreBlock(scorer: Scorer, block: Block, keep: boolean): AsyncGenerator<LayerValues> {
  for (const side of SIDES) yield* scorer.score(side, block[side], keep);
}

/** A file of its own for each block: one that was written before a kill is written again, the same. */
function valuesPath(folder: string, { name }: DataSet, { number }: Block): string {
  return join(folder, VALUES, `${name}-${String(number).padStart(6, '0')}.parquet`);
}

function count(counters: Counters, { records, clean, corrupted, windows, rejected }: Block): void {
  const passages = [...clean, ...corrupted];
  counters.records = records;
  counters.prompts += passages.length - windows;
  counters.windows += windows;
  counters.rejected += rejected.length;
  counters.tokens += passages.reduce((sum, { ids }) => sum + ids.length, 0);
}

/** Tokens a second in this sitting. */
class Pace {
  readonly #started = performance.now();

  constructor(private readonly before: number) {}

  note({ tokens, prompts, rejected }: Counters): string {
    const seconds = (performance.now() - this.#started) / 1000;
    const speed = Math.round((tokens - this.before) / seconds);
    return `${speed} tokens/s  ${prompts} prompts${rejected > 0 ? `  ${rejected} rejected` : ''}`;
  }
}
