/**
 * `clusters.safetensors`: the circuit's directions that lie in clusters of equal σ. Their indices mean nothing, as any
 * rotation of a cluster is as good a decomposition; what can be compared with another run is the space they span.
 */
import type { Decomposition } from '../decompose/directions.js';
import { type TensorData, writeSafetensors } from '../formats/safetensors-write.js';
import type { MaskLayout } from '../forward/layout.js';
import { clusterRanges, clusters } from '../kernels/thin-svd.js';
import { type Component, type DirectionRange, directionRangeName } from '../models/components.js';

export interface ClusterRange extends DirectionRange {
  component: Component;
}

/** Clusters of more than one direction of which at least one is active. */
export function activeClusters(
  layout: MaskLayout,
  sigma: Float32Array,
  active: Float32Array,
): ClusterRange[] {
  return layout.components.flatMap((component) => {
    const { start, length } = layout.of(component);
    return clusterRanges(clusters(sigma.subarray(start, start + length)))
      .filter(({ first, last }) => active.subarray(start + first, start + last + 1).some((mask) => mask > 0))
      .map((range) => ({ component, ...range }));
  });
}

/**
 * Writes nothing where the circuit has no direction of a cluster. There is one tensor per cluster, `L0H1.qk.12-14` for
 * the directions 12 to 14: the v_k of those in the circuit, [active, cols].
 * @param active 1 for directions of the circuit, else 0; flat, in the layout's order
 */
export async function writeClusters(
  path: string,
  { layout, sigma }: { layout: MaskLayout; sigma: Float32Array },
  active: Float32Array,
  decomposition: Decomposition,
): Promise<void> {
  const tensors = new Map<string, TensorData>();
  for (const cluster of activeClusters(layout, sigma, active)) {
    const { component, first, last } = cluster;
    const { name, layer, cols } = component;
    const { vt } = (await decomposition.layer(layer)).get(name)!;
    const { start } = layout.of(component);
    const rows: number[] = [];
    for (let k = first; k <= last; k++) if (active[start + k]! > 0) rows.push(k);
    const data = new Float32Array(rows.length * cols);
    rows.forEach((k, at) => {
      data.set(vt.subarray(k * cols, (k + 1) * cols), at * cols);
    });
    tensors.set(directionRangeName(cluster), { dtype: 'F32', shape: [rows.length, cols], data });
  }
  if (tensors.size > 0) await writeSafetensors(path, tensors, { format: 'orthoscope-clusters' });
}
