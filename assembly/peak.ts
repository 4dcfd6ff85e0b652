/** The machine's limit as this build can reach it: multiply-adds that never leave the registers. */
import { madd } from './simd';

/**
 * Runs `rounds` rounds of 12 independent multiply-adds on full vectors: rounds · 12 · (16 / size of T) · 2
 * floating-point operations. Returns a sum, so that nothing is optimised away.
 */
export function multiplyAddInRegisters<T>(rounds: i32): T {
  const factor = v128.splat<T>(<T>0.999), term = v128.splat<T>(<T>0.001);
  let r0 = v128.splat<T>(<T>1), r1 = v128.splat<T>(<T>2), r2 = v128.splat<T>(<T>3), r3 = v128.splat<T>(<T>4);
  let r4 = v128.splat<T>(<T>5), r5 = v128.splat<T>(<T>6), r6 = v128.splat<T>(<T>7), r7 = v128.splat<T>(<T>8);
  let r8 = v128.splat<T>(<T>9), r9 = v128.splat<T>(<T>10), r10 = v128.splat<T>(<T>11), r11 = v128.splat<T>(<T>12);
  for (let i = 0; i < rounds; i++) {
    r0 = madd<T>(r0, factor, term);
    r1 = madd<T>(r1, factor, term);
    r2 = madd<T>(r2, factor, term);
    r3 = madd<T>(r3, factor, term);
    r4 = madd<T>(r4, factor, term);
    r5 = madd<T>(r5, factor, term);
    r6 = madd<T>(r6, factor, term);
    r7 = madd<T>(r7, factor, term);
    r8 = madd<T>(r8, factor, term);
    r9 = madd<T>(r9, factor, term);
    r10 = madd<T>(r10, factor, term);
    r11 = madd<T>(r11, factor, term);
  }
  const sum = v128.add<T>(
    v128.add<T>(v128.add<T>(v128.add<T>(r0, r1), v128.add<T>(r2, r3)), v128.add<T>(v128.add<T>(r4, r5), v128.add<T>(r6, r7))),
    v128.add<T>(v128.add<T>(r8, r9), v128.add<T>(r10, r11)),
  );
  return v128.extract_lane<T>(sum, 0);
}
