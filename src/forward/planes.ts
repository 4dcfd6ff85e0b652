/** QK masks by rotary plane: one mask for the two coordinates of a plane (docs/maths.md, "Rotary positions"). */

/** @returns one mask a coordinate, [heads·dHead], from one a plane, [heads·planes] */
export function spreadOverPlanes(masks: Float32Array, planes: readonly [number, number][]): Float32Array {
  const spread = new Float32Array(2 * masks.length);
  forEachPlane(masks.length, planes, (mask, pair) => {
    for (const coordinate of pair) spread[coordinate] = masks[mask]!;
  });
  return spread;
}

/** The pullback of {@link spreadOverPlanes}: the sum over a plane's coordinates. */
export function foldOverPlanes(gradient: Float32Array, planes: readonly [number, number][]): Float32Array {
  const folded = new Float32Array(gradient.length / 2);
  forEachPlane(folded.length, planes, (mask, [a, b]) => {
    folded[mask] = gradient[a]! + gradient[b]!;
  });
  return folded;
}

function forEachPlane(
  masks: number,
  planes: readonly [number, number][],
  visit: (mask: number, coordinates: [number, number]) => void,
): void {
  for (let mask = 0; mask < masks; mask++) {
    const from = Math.floor(mask / planes.length) * 2 * planes.length;
    const [a, b] = planes[mask % planes.length]!;
    visit(mask, [from + a, from + b]);
  }
}
