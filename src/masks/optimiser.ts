/** AdamW on a flat vector (Loshchilov and Hutter 2019), on the host: 37,020 masks take next to no time there. */

export interface AdamWSettings {
  lr: number;
  betas: readonly [number, number];
  eps: number;
  weightDecay: number;
}

/** Moments and step count; plain data, so that a checkpoint can hold it. */
export interface AdamWState {
  first: Float32Array;
  second: Float32Array;
  steps: number;
}

export function freshAdamW(size: number): AdamWState {
  return { first: new Float32Array(size), second: new Float32Array(size), steps: 0 };
}

/** One update in place: parameters ← (1 − lr·decay)·parameters − lr·m̂/(√v̂ + ε). */
export function adamWStep(
  parameters: Float32Array,
  gradient: Float32Array,
  state: AdamWState,
  { lr, betas: [beta1, beta2], eps, weightDecay }: AdamWSettings,
): void {
  state.steps++;
  const firstBias = 1 - beta1 ** state.steps;
  const secondBias = Math.sqrt(1 - beta2 ** state.steps);
  for (let i = 0; i < parameters.length; i++) {
    const g = gradient[i]!;
    const first = beta1 * state.first[i]! + (1 - beta1) * g;
    const second = beta2 * state.second[i]! + (1 - beta2) * g * g;
    state.first[i] = first;
    state.second[i] = second;
    const step = (lr * first) / firstBias / (Math.sqrt(second) / secondBias + eps);
    parameters[i] = parameters[i]! * (1 - lr * weightDecay) - step;
  }
}

/** Euclidean norm. */
export function norm(values: Float32Array): number {
  let sum = 0;
  for (const value of values) sum += value * value;
  return Math.sqrt(sum);
}

/** Scales the gradient in place so that its norm is at most `limit`; returns the norm before. */
export function clipNorm(gradient: Float32Array, limit: number): number {
  const found = norm(gradient);
  if (found > limit) {
    const factor = limit / (found + 1e-6);
    for (let i = 0; i < gradient.length; i++) gradient[i]! *= factor;
  }
  return found;
}
