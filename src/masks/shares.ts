/**
 * Shares of what a circuit leaves out that somebody puts back: masks c + (1 − c)·r, with c the circuit and r in [0, 1],
 * one for all prompts (docs/maths.md, "Adversarial shares"). r = 0 is the circuit itself, r = 1 the full model.
 */
import type { Random } from '../random.js';

/**
 * @param masks of the circuit, [directions]
 * @param shares what is put back of each direction, [directions]
 * @param part multiplies all shares
 */
export function putBack(masks: Float32Array, shares: Float32Array, part = 1): Float32Array {
  return masks.map((mask, at) => mask + (1 - mask) * part * shares[at]!);
}

/** Shares in [0, cap): each its own. */
export function uniformShares(directions: number, random: Random, cap = 1): Float32Array {
  return Float32Array.from({ length: directions }, () => cap * random.uniform());
}

/** Shares of 0 or cap, each with probability ½. */
export function bernoulliShares(directions: number, random: Random, cap = 1): Float32Array {
  return Float32Array.from({ length: directions }, () => cap * random.integer(2));
}

/**
 * One step up the KL, in place: each share moves by `step` along the sign of its gradient and stays in [0, cap].
 * A share of what the circuit keeps whole has no gradient and stays where it is.
 * @param gradient of the KL by the masks that were run, [directions]
 */
export function stepShares(
  shares: Float32Array,
  masks: Float32Array,
  gradient: Float32Array,
  step: number,
  cap = 1,
): void {
  for (let i = 0; i < shares.length; i++) {
    const slope = gradient[i]! * (1 - masks[i]!);
    if (slope !== 0) shares[i] = Math.min(cap, Math.max(0, shares[i]! + Math.sign(slope) * step));
  }
}
