/** The one arithmetic step in which the two builds differ, and what vectors have no instruction for. */

/** a · b + c for every lane: one rounding in the relaxed build on machines that can, two in the plain build. */
// @ts-ignore: decorator
@inline
export function madd<T>(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return v128.relaxed_madd<T>(a, b, c);
  return v128.add<T>(v128.mul<T>(a, b), c);
}

/** Sum of the four lanes. */
// @ts-ignore: decorator
@inline
export function added(x: v128): f32 {
  return (
    f32x4.extract_lane(x, 0) + f32x4.extract_lane(x, 1) + (f32x4.extract_lane(x, 2) + f32x4.extract_lane(x, 3))
  );
}
