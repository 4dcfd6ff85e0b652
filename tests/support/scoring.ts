/** A scorer on a small model in this process, and every value that it reads. */

import type { Engine } from '../../src/engine/engine.js';
import { Transformer } from '../../src/forward/transformer.js';
import { listComponents } from '../../src/models/components.js';
import type { Model } from '../../src/models/weights.js';
import { readBases, type ScoredBases } from '../../src/score/bases.js';
import { chooseDirections } from '../../src/score/chosen-directions.js';
import { positionOf, promptOf } from '../../src/score/layer-rows.js';
import type { Passage } from '../../src/score/passages.js';
import { ReaderThreads } from '../../src/score/reader-threads.js';
import { Scorer } from '../../src/score/scorer.js';
import type { ExampleSizes } from '../../src/score/statistics-state.js';
import type { ScoredPositions } from '../../src/settings/choices.js';
import { type Decomposed, decomposed } from './decomposed.js';

export interface Scoring extends ScoredBases, Decomposed {
  scorer: Scorer;
  readers: ReaderThreads;
  close(): Promise<void>;
}

export const SIZES: ExampleSizes = { examples: 4, context: 6 };

export async function openScoring(
  engine: Engine,
  model: Model,
  { positions, list = 'all', workers = 2 }: { positions: ScoredPositions; list?: string; workers?: number },
): Promise<Scoring> {
  const taken = await decomposed(model);
  const scored = chooseDirections(list, listComponents(model.architecture));
  const bases = await readBases(model, taken.decomposition, scored);
  const depth = 1 + Math.max(...scored.map(({ component }) => component.layer));
  const plain = await Transformer.load(engine, model, { depth, logits: false, least: 1 });
  const readers = await ReaderThreads.open(bases.bases, SIZES, workers);
  return {
    ...bases,
    ...taken,
    readers,
    scorer: new Scorer(plain, readers, bases.bases, positions),
    close: async () => {
      await readers.close();
      plain.dispose();
    },
  };
}

/** A passage that is scored from a token on. */
export function passage(prompt: number, ids: ArrayLike<number>, positions: ScoredPositions): Passage {
  return { prompt, ids: Int32Array.from(ids), from: positions === 'all' ? 0 : ids.length - 1, shift: 0 };
}

/** One value as it was read. */
export interface Read {
  prompt: number;
  position: number;
  value: number;
  /** The strongest key's position; −1 where there are no keys. */
  key: number;
}

/** Everything read of each direction, in the order of `directions`. */
export async function readAll(
  { scorer, bases }: Scoring,
  side: 'clean' | 'corrupted',
  passages: readonly Passage[],
): Promise<Read[][]> {
  const starts: number[] = [];
  let total = 0;
  for (const { units } of bases) {
    starts.push(total);
    total += units.length;
  }
  const all: Read[][] = Array.from({ length: total }, () => []);
  for await (const { rows, values } of scorer.score(side, passages, true))
    values.forEach((found, basis) => {
      if (!found) return;
      const n = bases[basis]!.units.length;
      for (let row = 0; row < rows.rows; row++)
        for (let k = 0; k < n; k++)
          all[starts[basis]! + k]!.push({
            prompt: promptOf(rows, row),
            position: positionOf(rows, row),
            value: found.values[row * n + k]!,
            key: found.keys ? found.keys[row * n + k]! : -1,
          });
    });
  return all;
}
