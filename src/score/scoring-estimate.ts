/** What scoring will take, from the first records of each data set and a real pass over them. */
import { engineMemory } from '../engine/memory.js';
import { modelCost } from '../forward/model-cost.js';
import type { Architecture } from '../models/architecture.js';
import type { LongCall } from '../progress.js';
import type { ValueType } from '../settings/choices.js';
import type { Shard } from '../shard.js';
import { bytesOf, type DataSet, type RecordBlock, readBlocks } from './data-sets.js';
import type { PassageSettings } from './passages.js';
import { type ReadingBasis, type Source, sourcesOf } from './reading-basis.js';
import { FORWARD_TOKENS, LAYERS_IN_FLIGHT, type Scorer } from './scorer.js';
import { type ExampleSizes, NO_EXAMPLES, stateBytes } from './statistics-state.js';

export interface Estimate {
  directions: number;
  data_sets: Record<string, DataSetEstimate>;
  /** Of all data sets together; null where one comes from a pipe. */
  seconds: number | null;
  tokens_per_second: number;
  memory_bytes: {
    /** The process and its engine, without any model. */
    process: number;
    /** Directions' bases, in the threads. */
    bases: number;
    /** Statistics and examples, in the threads and once more while they are written. */
    statistics: number;
    /** Rows on their way from the engine to the threads. */
    rows: number;
    /** Float32 weights of the layers that are run, as often as the engine holds them, and the embedding. */
    weights: number;
  };
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

export interface EstimateOptions extends Pick<LongCall, 'signal'> {
  dataSets: readonly DataSet[];
  passages: PassageSettings;
  scorer: Scorer;
  bases: readonly ReadingBasis[];
  architecture: Architecture;
  /** Name of the engine. */
  engine: string;
  settings: ExampleSizes & { shard: Shard; values: ValueType | null };
}

/** Bytes of a row of the tables as they are written, measured. */
const ROW_BYTES = { direction: 160, example: 40, valueBeside: 2 };

export async function estimateScoring(options: EstimateOptions): Promise<Estimate> {
  const { dataSets, passages, scorer, bases, settings } = options;
  const { of } = settings.shard;
  const directions = bases.reduce((sum, { units }) => sum + units.length, 0);
  const found: Record<string, DataSetEstimate> = {};
  let [tokens, scored]: [number | null, number | null] = [0, 0];
  let speed = 0;
  for (const dataSet of dataSets) {
    const bytes = await bytesOf(dataSet);
    const first = await firstBlock(dataSet, passages);
    const sample = [...first.block.clean, ...first.block.corrupted];
    const sampled = sample.reduce((sum, { ids }) => sum + ids.length, 0);
    const positions = sample.reduce((sum, { ids, from }) => sum + ids.length - from, 0);
    // A pass to warm up, and one that is timed.
    for (let pass = 0; pass < 2; pass++) {
      const started = performance.now();
      for (const side of ['clean', 'corrupted'] as const)
        for await (const _ of scorer.score(side, first.block[side], false, options));
      await scorer.drain();
      speed = sampled / ((performance.now() - started) / 1000);
    }
    const share = bytes === null ? null : bytes / first.bytes / of;
    found[dataSet.name] = {
      bytes,
      prompts: share === null ? null : Math.round(share * (sample.length - first.block.windows)),
      tokens: share === null ? null : Math.round(share * sampled),
      sampled: first.block.records,
      rejected: first.block.rejected.length,
    };
    tokens = share === null || tokens === null ? null : tokens + share * sampled;
    scored = share === null || scored === null ? null : scored + share * positions;
  }
  const { layer, embedding } = modelCost(options.architecture);
  const own = engineMemory(options.engine);
  const depth = 1 + Math.max(...bases.map((basis) => basis.layer));
  const statistics = directions * (stateBytes(settings) + stateBytes(NO_EXAMPLES));
  const width = settings.values === 'f16' ? 2 : 4;
  return {
    directions,
    data_sets: found,
    seconds: tokens === null ? null : tokens / speed,
    tokens_per_second: Math.round(speed),
    memory_bytes: {
      process: own.process,
      bases: bases.reduce((sum, basis) => sum + basisBytes(basis), 0),
      statistics: 3 * statistics,
      rows: rowBytes(options),
      weights: 4 * (own.copies * depth * layer + embedding),
    },
    disk_bytes: {
      states: statistics * dataSets.length,
      tables:
        dataSets.length * directions * (ROW_BYTES.direction + 2 * settings.examples * ROW_BYTES.example),
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

function basisBytes({ matrix, keys, units }: ReadingBasis): number {
  return 4 * (matrix.length + (keys?.matrix.length ?? 0) + units.length);
}

/** The widest layer's rows, for as many layers as may wait. */
function rowBytes({ bases, architecture, passages }: EstimateOptions): number {
  const { dModel: d, nHeads, nKvHeads, dHead } = architecture;
  const widths: Record<Source, number> = {
    attentionInput: d,
    context: nHeads * dHead,
    mlpInput: d,
    mlpOutput: d,
    queries: nHeads * dHead,
    queryRates: nHeads,
    keys: nKvHeads * dHead,
  };
  const used = new Set(bases.flatMap(sourcesOf));
  const all = passages.positions === 'all';
  const perToken = [...used].reduce(
    (sum, source) => sum + (all || source === 'keys' ? widths[source] : 0),
    0,
  );
  return 4 * (LAYERS_IN_FLIGHT + 1) * FORWARD_TOKENS * perToken;
}
