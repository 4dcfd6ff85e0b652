/** What scoring will take, from the first records of each data set and a real pass over some of them. */
import type { ValueType } from '../settings/choices.js';
import type { Shard } from '../shard.js';
import { bytesOf, type DataSet, type RecordBlock, readBlocks } from './data-sets.js';
import type { PassageSettings } from './passages.js';
import { type ScoringMemory, statisticsBytes } from './scoring-memory.js';
import type { ScoringProbe } from './scoring-probe.js';
import type { ExampleSizes } from './statistics-state.js';

export interface Estimate {
  directions: number;
  data_sets: Record<string, DataSetEstimate>;
  /** Of all data sets together, loading and tables included; null where one comes from a pipe. */
  seconds: number | null;
  load_seconds: number;
  /** Of making and writing the tables at the end; a shard has none. */
  tables_seconds: number;
  tokens_per_second: number;
  memory_bytes: ScoringMemory;
  disk_bytes: {
    /** While the run goes on. */
    states: number;
    tables: number;
    /** Every value, if asked for; null where the data comes from a pipe. */
    values: number | null;
  };
}

export interface DataSetEstimate {
  /** Null for a pipe. */
  bytes: number | null;
  prompts: number | null;
  tokens: number | null;
  /** Of the records that were looked at. */
  sampled: number;
  rejected: number;
}

export interface EstimateOptions {
  dataSets: readonly DataSet[];
  passages: PassageSettings;
  probe: ScoringProbe;
  /** How many are scored. */
  directions: number;
  memory: ScoringMemory;
  settings: ExampleSizes & { shard: Shard; values: ValueType | null };
}

/**
 * Processor seconds of a row of the tables, from its statistics to the file and the page, measured on an Intel Xeon
 * (SmolLM2-135M's 86,400 directions with 5 examples at each end) by bench/score-tables.ts.
 */
const ROW_SECONDS = { direction: 4.2e-5, example: 1.2e-5 };

/** Bytes of a row of the tables as they are written, measured. */
const ROW_BYTES = { direction: 160, example: 40, valueBeside: 2 };

export async function estimateScoring(options: EstimateOptions): Promise<Estimate> {
  const { dataSets, passages, probe, directions, memory, settings } = options;
  const { of } = settings.shard;
  const found: Record<string, DataSetEstimate> = {};
  let [seconds, scored]: [number | null, number | null] = [0, 0];
  /** Of what was looked at, all data sets together. */
  const looked = { tokens: 0, seconds: 0 };
  for (const dataSet of dataSets) {
    const bytes = await bytesOf(dataSet);
    const first = await firstBlock(dataSet, passages);
    const sample = [...first.block.clean, ...first.block.corrupted];
    const sampled = sample.reduce((sum, { ids }) => sum + ids.length, 0);
    const positions = sample.reduce((sum, { ids, from }) => sum + ids.length - from, 0);
    const taken = sampled === 0 ? 0 : sampled * (await probe.secondsPerToken(first.block));
    looked.tokens += sampled;
    looked.seconds += taken;
    const share = bytes === null ? null : bytes / first.bytes / of;
    found[dataSet.name] = {
      bytes,
      prompts: share === null ? null : Math.round(share * (sample.length - first.block.windows)),
      tokens: share === null ? null : Math.round(share * sampled),
      sampled: first.block.records,
      rejected: first.block.rejected.length,
    };
    seconds = share === null || seconds === null ? null : seconds + share * taken;
    scored = share === null || scored === null ? null : scored + share * positions;
  }
  const statistics = statisticsBytes(directions, settings);
  const width = settings.values === 'f16' ? 2 : 4;
  const rows = (row: { direction: number; example: number }) =>
    dataSets.length * directions * (row.direction + 2 * settings.examples * row.example);
  const tablesSeconds = of === 1 ? rows(ROW_SECONDS) : 0;
  return {
    directions,
    data_sets: found,
    seconds: seconds === null ? null : probe.loadSeconds + seconds + tablesSeconds,
    load_seconds: probe.loadSeconds,
    tables_seconds: tablesSeconds,
    tokens_per_second: looked.tokens === 0 ? 0 : Math.round(looked.tokens / looked.seconds),
    memory_bytes: memory,
    disk_bytes: {
      states: statistics * dataSets.length,
      tables: rows(ROW_BYTES),
      values:
        settings.values === null
          ? 0
          : scored === null
            ? null
            : Math.round(scored * directions * (width + ROW_BYTES.valueBeside)),
    },
  };
}

/** The first block, and how many bytes of the source it takes. */
async function firstBlock(
  dataSet: DataSet,
  passages: PassageSettings,
): Promise<{ block: RecordBlock; bytes: number }> {
  for await (const block of readBlocks(dataSet, passages, {
    shard: { index: 1, of: 1 },
    skip: 0,
    onBytes: () => {},
  }))
    return { block, bytes: block.bytes };
  const empty = { number: 0, records: 0, own: true, clean: [], corrupted: [], windows: 0, rejected: [] };
  return { block: { ...empty, hash: '', bytes: 1 }, bytes: 1 };
}
