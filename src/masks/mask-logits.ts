/** A mask is the sigmoid of a logit, which is what training moves. */

/** The logit of a mask between 0 and 1. */
export function logitOf(mask: number): number {
  return Math.log(mask / (1 - mask));
}

/** The mask of a logit: 1 / (1 + e^−logit). */
export function maskOf(logit: number): number {
  return 1 / (1 + Math.exp(-logit));
}

/**
 * Turns the gradient by the masks into that of the loss and the price of all masks by the logits, in place.
 * @param gamma of the price λ·m²/(m²+γ²); null: λ·m
 */
export function chainToLogits(
  gradient: Float32Array,
  logits: Float32Array,
  price: number,
  gamma: number | null,
): void {
  for (let i = 0; i < gradient.length; i++) {
    const m = maskOf(logits[i]!);
    const slope = gamma === null ? 1 : (2 * m * gamma ** 2) / (m ** 2 + gamma ** 2) ** 2;
    gradient[i] = (gradient[i]! + price * slope) * m * (1 - m);
  }
}
