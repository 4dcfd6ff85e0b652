/**
 * Operations that an engine may have as one pass over memory, where composing them takes many. An engine offers them as
 * kernels of these names; each caller composes its operation where there is none.
 */
import * as tf from '@tensorflow/tfjs-core';

/** How many tensors each returns. What they compute is said where they are called. */
export const ONE_PASS = {
  OrthoscopeActivate: 1,
  OrthoscopeActivatePull: 1,
  OrthoscopeGate: 1,
  OrthoscopeGatePull: 2,
  OrthoscopeNormalise: 2,
  OrthoscopeNormalisePull: 1,
  OrthoscopeNormalisePullOnto: 1,
  OrthoscopeDivergence: 2,
  OrthoscopeAttend: 2,
  OrthoscopeAttendPull: 3,
  OrthoscopeSoftmax: 1,
  OrthoscopeSoftmaxPull: 1,
  OrthoscopeRotate: 1,
  OrthoscopeMix: 2,
  OrthoscopeMixPull: 2,
  OrthoscopeBiasedProduct: 1,
  OrthoscopeByHead: 1,
  OrthoscopeBiasedByHead: 1,
  OrthoscopeCut: 1,
  OrthoscopeJoin: 1,
} as const;

/** Likewise, of wasm alone, which is slow at memory: an activation, or its pullback, and the product with what comes of it. */
export const PRODUCTS_OF_ACTIVATED = {
  OrthoscopeProductOfActivated: 1,
  OrthoscopeProductOfActivatedPull: 1,
} as const;

export type OnePass = keyof typeof ONE_PASS | keyof typeof PRODUCTS_OF_ACTIVATED;

/** All operations have the same; each reads some of them. */
export interface OnePassSettings {
  /** Of activations: which. Where heads or positions lie side by side: how many prompts. */
  kind?: number;
  /** How many heads queries have, where they lie side by side. Of a cut: how many positions it keeps. */
  heads?: number;
  /** How many heads keys and values have, likewise. */
  shared?: number;
  /** ε of a normalisation, scale of scores or of a gradient, direction of a rotation. */
  factor?: number;
  /**
   * Whether a normalisation centres; whether keys and values get gradients; whether a matrix is stored transposed; whether
   * a cut keeps the last; whether a divergence has no gradient.
   */
  flag?: boolean;
}

/** Whether the current engine has one pass for it. On a tape it has none: no operation here has a derivative there. */
export function hasOnePass(name: OnePass): boolean {
  const { gradientDepth } = tf.engine().state;
  return gradientDepth === 0 && tf.getKernel(name, tf.getBackend()) !== undefined;
}

/** @param inputs in the operation's order, all float32 */
export function onePass(
  name: OnePass,
  inputs: readonly tf.Tensor[],
  settings: OnePassSettings = {},
): tf.Tensor[] {
  const named = Object.fromEntries(inputs.map((input, at) => [`input${at}`, input]));
  return tf.engine().runKernel(name, named, settings as unknown as tf.NamedAttrMap) as unknown as tf.Tensor[];
}
