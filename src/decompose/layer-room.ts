/** Room on shared memory for one layer at a time: the factors of its components, and what they are decomposed into. */
import type { ThinSvd } from '../kernels/thin-svd.js';
import type { Architecture } from '../models/architecture.js';
import type { Component } from '../models/components.js';
import { type Factors, factorSizes } from './factors.js';

export interface ComponentRoom {
  component: Component;
  factors: Factors;
  svd: ThinSvd;
}

/** Numbers that a component's factors and its decomposition take. */
export function roomFor(component: Component, architecture: Architecture): number {
  const { a, b } = factorSizes(component, architecture);
  const { rows, cols, rank } = component;
  return a + b + rank * (rows + cols + 1);
}

/**
 * Made once and used for layer after layer: V8 does not count shared memory when it decides to collect garbage, so
 * rooms made for each layer would pile up.
 */
export class LayerRoom {
  readonly #block: SharedArrayBuffer;

  /** @param components of the largest layer */
  constructor(
    components: readonly Component[],
    private readonly architecture: Architecture,
  ) {
    const numbers = components.reduce((sum, component) => sum + roomFor(component, architecture), 0);
    this.#block = new SharedArrayBuffer(4 * numbers);
  }

  /** Views of the room, one behind the other; they hold until it is laid out for the next layer. */
  layOut(components: readonly Component[]): ComponentRoom[] {
    let start = 0;
    const take = (length: number) => {
      const view = new Float32Array(this.#block, start, length);
      start += 4 * length;
      return view;
    };
    return components.map((component) => {
      const { rows, cols, rank } = component;
      const sizes = factorSizes(component, this.architecture);
      return {
        component,
        factors: {
          a: take(sizes.a),
          b: sizes.b > 0 ? take(sizes.b) : null,
          rows,
          inner: sizes.inner,
          cols,
        },
        svd: { u: take(rows * rank), s: take(rank), vt: take(rank * cols) },
      };
    });
  }
}
