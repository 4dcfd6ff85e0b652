/** Coefficients as docs/scoring.md defines them, from the reference forward pass. */
import { type ReferenceModel, referenceForward, referenceScores } from './reference-forward.js';

export interface ReferenceCoefficient {
  value: number;
  /** QK only: the strongest key, and the score by key. */
  key?: number;
  scores?: number[];
}

/** By component, then position, then direction. */
export function referenceCoefficients(
  model: ReferenceModel,
  ids: ArrayLike<number>,
): Map<string, ReferenceCoefficient[][]> {
  const { coefficients, inputs } = referenceForward(model, ids);
  const found = new Map<string, ReferenceCoefficient[][]>();
  for (const [name, { component, s }] of model.directions) {
    if (component.kind !== 'qk') {
      found.set(
        name,
        coefficients.get(name)!.map((row) => row.map((y, k) => ({ value: y * s[k]! }))),
      );
      continue;
    }
    const scale = model.architecture.attentionScale[component.layer]!;
    const byDirection = Array.from({ length: component.rank }, (_, k) => {
      const only = new Float32Array(component.rank);
      only[k] = 1;
      return referenceScores(model, component.layer, component.head!, inputs[component.layer]!, only);
    });
    found.set(
      name,
      Array.from(ids, (_, i) =>
        byDirection.map((scores) => {
          const row = scores[i]!.map((score) => score * scale);
          const key = row.reduce((best, score, j) => (Math.abs(score) > Math.abs(row[best]!) ? j : best), 0);
          return { value: row[key]!, key, scores: row };
        }),
      ),
    );
  }
  return found;
}
