/** What attention makes of scores, and of scores without one of their parts. */

export function softmax(scores: Float64Array): Float64Array {
  const highest = Math.max(...scores);
  const exponentials = scores.map((score) => Math.exp(score - highest));
  const total = exponentials.reduce((sum, value) => sum + value, 0);
  return exponentials.map((value) => value / total);
}

/**
 * A score without a direction's part, whose cap was frozen (`QueryScores.contributions`): the cap sees what is left.
 * @param score capped, where there is a cap
 */
export function withoutPart(score: number, part: number, cap: number | undefined): number {
  if (cap === undefined || score === 0) return score - part;
  const whole = cap * Math.atanh(score / cap);
  return cap * Math.tanh((whole * (1 - part / score)) / cap);
}
