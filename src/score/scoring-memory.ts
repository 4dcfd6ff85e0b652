/** What scoring takes of memory, from shapes alone: known before anything is decomposed or loaded. */
import { type EngineMemory, engineMemory } from '../engine/memory.js';
import { formatByteSize } from '../formats/byte-size.js';
import { modelCost } from '../forward/model-cost.js';
import { roomOf, tooLittleMemory } from '../masks/too-little-memory.js';
import { passNumbers } from '../masks/training-cost.js';
import type { Architecture } from '../models/architecture.js';
import type { ScoredPositions } from '../settings/choices.js';
import { depthOf, type ScoredComponent } from './chosen-directions.js';
import { READ_FROM, type Source } from './reading-basis.js';
import { FORWARD_TOKENS, LAYERS_IN_FLIGHT } from './scorer.js';
import { type ExampleSizes, NO_EXAMPLES, stateBytes } from './statistics-state.js';

/** Bytes. */
export interface ScoringMemory {
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
  /** What a forward pass has on the engine. */
  passes: number;
}

export interface MemoryRequest {
  architecture: Architecture;
  scored: readonly ScoredComponent[];
  positions: ScoredPositions;
  sizes: ExampleSizes;
}

/** Of the states of so many directions on both sides. */
export function statisticsBytes(directions: number, sizes: ExampleSizes): number {
  return directions * (stateBytes(sizes) + stateBytes(NO_EXAMPLES));
}

export function scoringMemory(
  { architecture, scored, positions, sizes }: MemoryRequest,
  engine: EngineMemory,
): ScoringMemory {
  const { layer, embedding } = modelCost(architecture);
  const directions = scored.reduce((sum, { indices }) => sum + indices.length, 0);
  return {
    process: engine.process,
    bases: scored.reduce((sum, each) => sum + basisBytes(each, architecture), 0),
    statistics: 3 * statisticsBytes(directions, sizes),
    rows: rowBytes(architecture, scored, positions),
    weights: 4 * (engine.copies * depthOf(scored) * layer + embedding),
    passes: 4 * FORWARD_TOKENS * passNumbers(architecture),
  };
}

/**
 * @param limit bytes; null: what the machine has
 * @throws InputError saying what is missing, and how many layers' directions fit
 */
export function checkScoringMemory(request: MemoryRequest, engine: string, limit: number | null): void {
  const own = engineMemory(engine);
  const room = roomOf(own, limit);
  const needs = (of: MemoryRequest) =>
    Object.values(scoringMemory(of, own)).reduce((sum, bytes) => sum + bytes, 0);
  const bytes = needs(request);
  if (bytes <= room.bytes) return;
  const layers = [...new Set(request.scored.map(({ component }) => component.layer))].sort((a, b) => b - a);
  const first = (last: number) => ({
    ...request,
    scored: request.scored.filter(({ component }) => component.layer <= last),
  });
  const last = layers.find((layer) => needs(first(layer)) <= room.bytes);
  throw tooLittleMemory(
    { what: 'scoring these directions', bytes },
    room,
    last === undefined
      ? null
      : `name those of the layers up to ${last} alone with --directions, which need ${formatByteSize(needs(first(last)))}`,
  );
}

/** Of what a component's directions are read with. */
export function basisBytes(
  { component: { kind }, indices }: ScoredComponent,
  architecture: Architecture,
): number {
  const { dModel, dHead } = architecture;
  const width = kind === 'ov' ? dHead : dModel;
  return 4 * indices.length * (width + (kind === 'qk' ? dHead : 0) + 1);
}

/** The widest layer's rows, for as many layers as may wait. */
function rowBytes(
  { dModel: d, nHeads, nKvHeads, dHead, queryKeyNorm }: Architecture,
  scored: readonly ScoredComponent[],
  positions: ScoredPositions,
): number {
  const widths: Record<Source, number> = {
    attentionInput: d,
    context: nHeads * dHead,
    mlpInput: d,
    mlpOutput: d,
    queries: nHeads * dHead,
    queryRates: queryKeyNorm === undefined ? 0 : nHeads,
    keys: nKvHeads * dHead,
  };
  const kinds = new Set(scored.map(({ component }) => component.kind));
  const ofHeads: Source[] = kinds.has('qk') ? ['queries', 'keys', 'queryRates'] : [];
  const used = new Set([...[...kinds].map((kind) => READ_FROM[kind]), ...ofHeads]);
  const perToken = [...used].reduce(
    (sum, source) => sum + (positions === 'all' || source === 'keys' ? widths[source] : 0),
    0,
  );
  return 4 * (LAYERS_IN_FLIGHT + 1) * FORWARD_TOKENS * perToken;
}
