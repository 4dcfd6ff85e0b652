/**
 * How fast a model is scored here, from a few of its layers: all of a model's layers are of one shape, so that time
 * goes with their number, and that of reading with what is read. So a forecast takes seconds where loading the whole
 * model takes minutes.
 */
import type { Decomposition } from '../decompose/directions.js';
import type { Engine } from '../engine/engine.js';
import { isOnProcessor } from '../engine/measure.js';
import { modelCost } from '../forward/model-cost.js';
import { Transformer } from '../forward/transformer.js';
import { stopwatch } from '../least-seconds.js';
import type { Architecture } from '../models/architecture.js';
import type { Model } from '../models/weights.js';
import type { LongCall } from '../progress.js';
import type { ScoredPositions } from '../settings/choices.js';
import { readBases } from './bases.js';
import { depthOf, type ScoredComponent } from './chosen-directions.js';
import type { RecordBlock } from './data-sets.js';
import type { Side } from './layer-rows.js';
import type { Passage } from './passages.js';
import { ReaderThreads } from './reader-threads.js';
import { Scorer } from './scorer.js';
import { basisBytes } from './scoring-memory.js';
import type { ExampleSizes } from './statistics-state.js';

/** Layers that are loaded. */
const LAYERS = 2;

/** Tokens of the first pass, which warms up. Each further one is twice as long, to this many seconds. */
const FIRST_TOKENS = 128;
const ENOUGH_SECONDS = 1;

export interface ProbeRequest extends ExampleSizes {
  model: Model;
  decomposition: Decomposition;
  scored: readonly ScoredComponent[];
  positions: ScoredPositions;
  workers: number;
}

export interface ScoringProbe {
  /** What loading all that is scored takes. */
  loadSeconds: number;
  /** Seconds a token of what a block holds, in all layers. */
  secondsPerToken(block: Pick<RecordBlock, 'clean' | 'corrupted'>): Promise<number>;
}

/** Opens a probe for `work` and closes it afterwards. */
export async function withProbe<T>(
  engine: Engine,
  { model, decomposition, scored, positions, workers, ...sizes }: ProbeRequest,
  call: LongCall,
  work: (probe: ScoringProbe) => Promise<T>,
): Promise<T> {
  const { architecture } = model;
  const onProcessor = isOnProcessor(engine);
  const depth = depthOf(scored);
  const probed = mostRead(scored, architecture);
  const layers = layersOf(probed);
  const sinceLoading = stopwatch(onProcessor);
  const read = await readBases(model, decomposition, probed, call);
  // What is read of any layer takes as long at the first ones, which alone are run.
  const bases = read.bases.map((basis) => ({ ...basis, layer: layers.indexOf(basis.layer) }));
  const transformer = await Transformer.load(engine, model, { depth: layers.length, logits: false, ...call });
  try {
    const readers = await ReaderThreads.open(bases, sizes, workers);
    try {
      const loaded = loadedNumbers(probed, layers.length, architecture);
      const loadSeconds = (sinceLoading() * loadedNumbers(scored, depth, architecture)) / loaded;
      const reading = new Scorer(transformer, readers, bases, positions);
      const forward = new Scorer(transformer, await ReaderThreads.open([], sizes, 0), [], positions);
      const ofAll = bytesRead(scored, architecture) / bytesRead(probed, architecture);
      return await work({
        loadSeconds,
        secondsPerToken: async (block) => {
          const { share, seconds } = await longEnough(reading, block, onProcessor, call);
          const alone = Math.min(seconds, await secondsOf(forward, block, share, onProcessor, call));
          const tokens = tokensOf([...every(block.clean, share), ...every(block.corrupted, share)]);
          return (alone * (depth / layers.length) + (seconds - alone) * ofAll) / tokens;
        },
      });
    } finally {
      await readers.close();
    }
  } finally {
    transformer.dispose();
  }
}

/** Passes over more and more of a block, up to all of it. */
async function longEnough(
  scorer: Scorer,
  block: Pick<RecordBlock, Side>,
  onProcessor: boolean,
  call: LongCall,
): Promise<{ share: number; seconds: number }> {
  const tokens = tokensOf([...block.clean, ...block.corrupted]);
  let share = Math.min(1, FIRST_TOKENS / tokens);
  await secondsOf(scorer, block, share, onProcessor, call);
  for (;;) {
    const seconds = await secondsOf(scorer, block, share, onProcessor, call);
    if (seconds >= ENOUGH_SECONDS || share === 1) return { share, seconds };
    share = Math.min(1, 2 * share);
  }
}

async function secondsOf(
  scorer: Scorer,
  block: Pick<RecordBlock, Side>,
  share: number,
  onProcessor: boolean,
  call: LongCall,
): Promise<number> {
  const taken = stopwatch(onProcessor);
  for (const side of ['clean', 'corrupted'] as const)
    for await (const _ of scorer.score(side, every(block[side], share), false, call));
  await scorer.drain();
  return taken();
}

/** A share of the passages, evenly from first to last; at least one if there is any. */
function every(passages: readonly Passage[], share: number): Passage[] {
  const count = Math.ceil(share * passages.length);
  return Array.from({ length: count }, (_, i) => passages[Math.floor((i * passages.length) / count)]!);
}

function tokensOf(passages: readonly Passage[]): number {
  return passages.reduce((sum, { ids }) => sum + ids.length, 0);
}

function layersOf(scored: readonly ScoredComponent[]): number[] {
  return [...new Set(scored.map(({ component }) => component.layer))];
}

/** Those of the layers of which most is read. */
function mostRead(scored: readonly ScoredComponent[], architecture: Architecture): ScoredComponent[] {
  const ofLayer = (layer: number) => scored.filter(({ component }) => component.layer === layer);
  const read = new Map(layersOf(scored).map((layer) => [layer, bytesRead(ofLayer(layer), architecture)]));
  const chosen = [...read.keys()].sort((a, b) => read.get(b)! - read.get(a)! || a - b).slice(0, LAYERS);
  return scored.filter(({ component }) => chosen.includes(component.layer));
}

function bytesRead(scored: readonly ScoredComponent[], architecture: Architecture): number {
  return scored.reduce((sum, each) => sum + basisBytes(each, architecture), 0);
}

/** Numbers that are read, turned and uploaded: weights of the layers that are run, and once more with their directions. */
function loadedNumbers(
  scored: readonly ScoredComponent[],
  depth: number,
  architecture: Architecture,
): number {
  const { layer, embedding } = modelCost(architecture);
  const directions = scored.reduce(
    (sum, { component: { rank, rows, cols } }) => sum + rank * (rows + cols),
    0,
  );
  return (depth + layersOf(scored).length) * layer + directions + embedding;
}
