/** Says so where directions have the same singular value: none of them is a direction by itself. */
import { clusterRanges, clusters } from '../../kernels/thin-svd.js';
import type { Place } from './data.js';
import { useExplorer } from './state.js';

/** @param index of one direction, whose cluster alone is meant; all of the component's by default */
export function ClustersNote({ place, index }: { place: Place; index?: number }) {
  const { core, values } = useExplorer().data;
  const { start, directions } = place;
  if (!values.sigma || (core.basis ?? 'svd') !== 'svd') return null;
  const found = clusterRanges(clusters(values.sigma.subarray(start, start + directions))).filter(
    ({ first, last }) => index === undefined || (index >= first && index <= last),
  );
  if (found.length === 0) return null;
  return (
    <p class="notice">
      The same σ: {found.map(({ first, last }) => `${place.name}.${first} to ${last}`).join(', ')}. Any
      rotation of such directions is as good, so read them together.
    </p>
  );
}
