/** What writes to the stream: directions, each along one vector, and the embeddings of tokens and positions. */
import { coefficientsOf, type PlaceInModel } from '../forward/places.js';
import { type Direction, directionName } from '../interpret/coefficients.js';
import { outputFactor } from '../interpret/logit-reader.js';
import { writtenPlace } from '../interpret/logit-sum.js';
import { type TakenApart, writes } from '../interpret/taken-apart.js';
import type { Architecture } from '../models/architecture.js';
import type { LiveRun, ReadingPlace } from './live-run.js';

/** A direction that writes. */
export interface Writer {
  name: string;
  direction: Direction;
  layer: number;
  at: 'attention' | 'mlp';
  /** v_k, [dModel]. */
  vector: Float64Array;
  /** By what it joins the stream at a token: σ_k y_k, times the norm behind the matrix; 0 where it is not computed. */
  amount(run: LiveRun, prompt: number, token: number): number;
}

export async function writersOf(
  { model, decomposition }: TakenApart,
  directions: readonly Direction[],
): Promise<Writer[]> {
  const { architecture } = model;
  const { dModel: d, nLayers, normEpsilon, postNorms } = architecture;
  const found: Writer[] = [];
  for (let layer = 0; layer < nLayers; layer++) {
    const own = directions.filter(({ component }) => component.layer === layer && writes(component.kind));
    if (own.length === 0) continue;
    const names = [...new Set(own.map(({ component }) => component.name))];
    const decomposed = await decomposition.layer(layer, names);
    const norms = postNorms ? (await model.layer(layer)).norms : undefined;
    for (const direction of own) {
      const { component, index } = direction;
      const { kind, rank, head = 0 } = component;
      const { s, vt } = decomposed.get(component.name)!;
      const place = { layer, place: coefficientsOf(kind) };
      const written: PlaceInModel = { layer, place: writtenPlace(kind) };
      const norm = kind === 'ov' ? norms?.attention : norms?.mlp;
      const unit = kind === 'ov' ? 1 : s[index]!;
      found.push({
        ...{ name: directionName(direction), direction, layer, at: kind === 'ov' ? 'attention' : 'mlp' },
        vector: Float64Array.from(vt.subarray(index * d, (index + 1) * d)),
        amount(run, prompt, token) {
          const row = run.row(prompt, token, place);
          if (row === null) return 0;
          const factor = norm ? outputFactor(run.row(prompt, token, written)!, norm, normEpsilon) : 1;
          return factor * unit * row[head * rank + index]!;
        },
      });
    }
  }
  return found;
}

/** Whether what is written somewhere is in the stream that is read at a place. */
export function reaches(
  { layer, at }: { layer: number; at: 'attention' | 'mlp' },
  place: ReadingPlace,
  { parallelResidual }: Architecture,
): boolean {
  return (
    layer < place.layer ||
    (layer === place.layer && at === 'attention' && place.at === 'mlp' && !parallelResidual)
  );
}
