/** How far what masks keep lies from what takes its place: the difference of activation of each direction. */

import { batchesByLength } from '../forward/passes.js';
import { coefficientsOf, PlaceReader } from '../forward/places.js';
import { foldOverPlanes } from '../forward/planes.js';
import { heed } from '../heed.js';
import type { PreparedPairs } from '../pairs/prepared-pairs.js';
import type { LongCall } from '../progress.js';

/**
 * Σ over the pairs of (σ_k (y_k − ỹ_k))² at the last token, which is what a direction's part in its component's output
 * differs by. QK coefficients are replaced by 0: of them it is σ_k y_k of the last query.
 * @returns [directions]
 */
export async function squaredDifferences(
  prepared: PreparedPairs,
  { signal }: LongCall = {},
): Promise<Float32Array> {
  const { model, pairs, forwardTokens } = prepared;
  const { layout, architecture } = model;
  const places = Array.from({ length: architecture.nLayers }, (_, layer) =>
    layout.kinds.map((kind) => ({ layer, kind, place: coefficientsOf(kind) })),
  ).flat();
  const sums = new Float32Array(layout.size);
  const lengths = pairs.map(({ clean }) => clean.length);
  for (const batch of batchesByLength(lengths, forwardTokens)) {
    await heed(signal);
    const baseline = prepared.baseline(batch);
    const reader = new PlaceReader(places);
    (await model.run(prepared.prompts(batch), { hooks: reader.hooks }, signal)).dispose();
    for (const { layer, kind, place } of places) {
      const { start, length } = layout.block(layer, kind)!;
      const own = (await reader.value(layer, place).data()) as Float32Array;
      const tensor = baseline[layer]![kind];
      const other = tensor ? ((await tensor.data()) as Float32Array) : null;
      const planes = kind === 'qk' ? model.planes?.[layer] : undefined;
      const width = planes ? 2 * length : length;
      const squares = new Float32Array(width);
      // Padded on the left: the last token's row is the last of each prompt, and a mean has but one row.
      const rows = own.length / width / batch.length;
      const others = other ? other.length / width / batch.length : 0;
      for (let row = 0; row < batch.length; row++) {
        const at = ((row + 1) * rows - 1) * width;
        const from = others < 1 ? 0 : ((row + 1) * others - 1) * width;
        for (let k = 0; k < width; k++) squares[k]! += (own[at + k]! - (other ? other[from + k]! : 0)) ** 2;
      }
      const folded = planes ? foldOverPlanes(squares, planes) : squares;
      for (let k = 0; k < length; k++) {
        // OV coefficients have their σ in them already; planes have none.
        const unit = kind === 'ov' || planes ? 1 : model.sigma[start + k]!;
        sums[start + k]! += folded[k]! * unit ** 2;
      }
    }
    reader.dispose();
    for (const layer of baseline) for (const tensor of Object.values(layer)) tensor.dispose();
  }
  return sums;
}
