/** The one arithmetic step in which the two builds differ. */

/** a · b + c for every lane: one rounding in the relaxed build on machines that can, two in the plain build. */
// @ts-ignore: decorator
@inline
export function madd<T>(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return v128.relaxed_madd<T>(a, b, c);
  return v128.add<T>(v128.mul<T>(a, b), c);
}
