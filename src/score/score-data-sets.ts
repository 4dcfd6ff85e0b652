/** Scores data sets into a folder: block by block, with statistics on disk from which a killed run goes on. */

import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { InputError, throwIfAborted } from '../errors.js';
import type { LongCall } from '../progress.js';
import type { ValueType } from '../settings/choices.js';
import type { Shard } from '../shard.js';
import { bytesOf, type DataSet, FIRST_HASH, type RecordBlock, readBlocks, sourceOf } from './data-sets.js';
import { SIDES } from './layer-rows.js';
import type { PassageSettings } from './passages.js';
import type { ReaderThreads } from './reader-threads.js';
import type { ReadingBasis } from './reading-basis.js';
import { RejectedFile } from './rejected-file.js';
import type { LayerValues, Scorer } from './scorer.js';
import { type Counters, NO_COUNTS, readStateFile, type StateFile, writeStateFile } from './state-file.js';
import type { ExampleSizes } from './statistics-state.js';
import { writeValues } from './values-file.js';

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
  const sizes = await Promise.all(dataSets.map(bytesOf));
  const total = sizes.reduce<number>((sum, size) => sum + (size ?? 0), 0);
  const directions = scoring.bases.reduce((sum, { units }) => sum + units.length, 0);
  const of = { directions, sizes: scoring.settings.sizes };
  const result: Record<string, DataSetResult> = {};
  let [rejectedBytes, rejected, before] = [0, 0, 0];
  for (const [i, dataSet] of dataSets.entries()) {
    const path = statePath(folder, dataSet.name);
    const earlier = existsSync(path) ? await readStateFile(path, of) : null;
    if (earlier && earlier.header.identity !== scoring.settings.identity)
      throw new InputError(`${path}: is of other directions or settings; start anew in another folder`);
    const others = { rejectedBytes, rejected, before, total };
    const { header } = earlier?.header.complete
      ? earlier
      : await (await DataSetScoring.open(scoring, dataSet, others, earlier)).run(call);
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

/** One data set on its way: how far it is, and what is known of it so far. */
class DataSetScoring {
  readonly #counters: Counters;
  /** Blocks that are done, and the chained hash of their records. */
  #blocks: number;
  #hash: string;
  #saved = performance.now();
  readonly #pace: Pace;

  private constructor(
    private readonly scoring: Scoring,
    private readonly dataSet: DataSet,
    private readonly rejects: RejectedFile,
    private readonly before: Before,
    start: StateFile['header'] | undefined,
  ) {
    this.#counters = { ...(start?.counters ?? NO_COUNTS) };
    this.#blocks = start?.blocks ?? 0;
    this.#hash = start?.data_hash ?? FIRST_HASH;
    this.#pace = new Pace(this.#counters.tokens);
  }

  /** @param earlier what an earlier sitting left */
  static async open(
    scoring: Scoring,
    dataSet: DataSet,
    before: Before,
    earlier: StateFile | null,
  ): Promise<DataSetScoring> {
    const { folder, readers } = scoring;
    const start = earlier?.header;
    const path = join(folder, REJECTED);
    const rejects = await RejectedFile.open(path, start?.rejected_bytes ?? before.rejectedBytes);
    if (earlier) await readers.restore(earlier.states);
    else await readers.clear();
    return new DataSetScoring(scoring, dataSet, rejects, before, start);
  }

  async run({ onProgress, signal }: LongCall): Promise<StateFile> {
    const { shard, passages } = this.scoring.settings;
    const skip = this.#blocks;
    let bytes = 0;
    const onBytes = (read: number) => (bytes += read);
    for await (const block of readBlocks(this.dataSet, passages, { shard, skip, onBytes })) {
      if (block.number < skip) {
        if (block.number === skip - 1) this.#refuseOtherData(block);
        continue;
      }
      await this.#score(block, signal);
      await this.#refuseTooMany();
      const { before, total } = this.before;
      const done = Math.min(before + bytes, total - 1);
      onProgress?.({ stage: 'score', done, total, note: this.#pace.note(this.#counters) });
      if (this.#due() || signal?.aborted) await this.#save(false);
      throwIfAborted(signal);
    }
    // Checked once more at the end: a resumed sitting may have no record left to read, and the limit still holds.
    await this.#refuseTooMany();
    return this.#save(true);
  }

  async #score(block: RecordBlock, signal?: AbortSignal): Promise<void> {
    const { folder, bases, scorer, settings } = this.scoring;
    if (settings.values === null) for await (const _ of scoreBlock(scorer, block, false, signal));
    else if (block.own) {
      const path = valuesPath(folder, this.dataSet, block);
      const values = scoreBlock(scorer, block, true, signal);
      await writeValues(path, this.dataSet.name, bases, settings.values, values);
    }
    this.rejects.add(block.rejected);
    this.#blocks = block.number + 1;
    this.#hash = block.hash;
    count(this.#counters, block);
  }

  #due(): boolean {
    return (performance.now() - this.#saved) / 1000 > this.scoring.settings.checkpointSeconds;
  }

  async #save(complete: boolean): Promise<StateFile> {
    const { folder, readers, scorer, settings } = this.scoring;
    // The threads take jobs in order, so that these statistics hold exactly what was sent before.
    const [states] = await Promise.all([readers.save(), scorer.drain()]);
    const rejected_bytes = await this.rejects.flush();
    const file: StateFile = {
      header: {
        data_set: this.dataSet.name,
        identity: settings.identity,
        shard: [settings.shard.index, settings.shard.of],
        blocks: this.#blocks,
        complete,
        counters: { ...this.#counters },
        data_hash: this.#hash,
        rejected_bytes,
      },
      states,
    };
    await writeStateFile(statePath(folder, this.dataSet.name), file);
    this.#saved = performance.now();
    return file;
  }

  #refuseOtherData({ hash, records }: RecordBlock): void {
    if (hash !== this.#hash)
      throw new InputError(
        `${sourceOf(this.dataSet)}: its first ${records} records are not those that were scored before; start anew in another folder`,
      );
  }

  async #refuseTooMany(): Promise<void> {
    const { folder, settings } = this.scoring;
    const rejected = this.before.rejected + this.#counters.rejected;
    if (rejected <= settings.maxRejected) return;
    await this.#save(false);
    throw new InputError(
      `${sourceOf(this.dataSet)}: ${rejected} records rejected, at most ${settings.maxRejected} are tolerated; ` +
        `see ${join(folder, REJECTED)}, then give a larger --max-rejected with --resume, or mend the data`,
    );
  }
}

async function* scoreBlock(
  scorer: Scorer,
  block: RecordBlock,
  keep: boolean,
  signal: AbortSignal | undefined,
): AsyncGenerator<LayerValues> {
  for (const side of SIDES) yield* scorer.score(side, block[side], keep, { signal });
}

/** A file of its own for each block: one that was written before a kill is written again, the same. */
function valuesPath(folder: string, { name }: DataSet, { number }: RecordBlock): string {
  return join(folder, VALUES, `${name}-${String(number).padStart(6, '0')}.parquet`);
}

function count(counters: Counters, { records, clean, corrupted, windows, rejected }: RecordBlock): void {
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
