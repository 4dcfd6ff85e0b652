/** Where each component's masks lie in the flat mask vector that is trained. */
import type { Architecture } from '../models/architecture.js';
import { type Component, type Kind, kindsOf, listComponents, type Ranks } from '../models/components.js';
import { DEFAULT_SPLIT, type QkSplit } from '../models/qk-split.js';

export interface Block {
  start: number;
  length: number;
}

export class MaskLayout {
  /** Masked components in the order of the vector: layer, kind, head. */
  readonly components: Component[];
  /** The masked kinds, in order. */
  readonly kinds: Kind[];
  /** Length of the vector: the number of masked directions. */
  readonly size: number;
  readonly #byName = new Map<string, Block>();
  readonly #of: (kinds: readonly Kind[]) => MaskLayout;
  readonly #byLayerKind = new Map<string, Block>();

  constructor(
    architecture: Architecture,
    kinds: readonly Kind[] = kindsOf(architecture),
    split: QkSplit = DEFAULT_SPLIT,
    ranks?: Ranks,
  ) {
    this.#of = (some) => new MaskLayout(architecture, some, split, ranks);
    this.kinds = kindsOf(architecture).filter((kind) => kinds.includes(kind));
    this.components = listComponents(architecture, this.kinds, split, ranks);
    let start = 0;
    for (const { name, layer, kind, rank } of this.components) {
      this.#byName.set(name, { start, length: rank });
      const key = `${layer}.${kind}`;
      const heads = this.#byLayerKind.get(key);
      if (heads) heads.length += rank;
      else this.#byLayerKind.set(key, { start, length: rank });
      start += rank;
    }
    this.size = start;
  }

  /** The layout of the same model where only some of the kinds are masked. */
  only(kinds: readonly Kind[]): MaskLayout {
    return this.#of(kinds);
  }

  /** The block of one component. */
  of(component: Component): Block {
    return this.#byName.get(component.name)!;
  }

  /** The block of all heads of a layer together, or of one MLP matrix; undefined where the kind is not masked. */
  block(layer: number, kind: Kind): Block | undefined {
    return this.#byLayerKind.get(`${layer}.${kind}`);
  }

  /** 1 for every direction behind the first `rank` of its component, which are the ones that a truncation masks out. */
  beyondRank(rank: number): Uint8Array {
    const marks = new Uint8Array(this.size);
    for (const component of this.components) {
      const { start, length } = this.of(component);
      marks.fill(1, start + Math.min(rank, length), start + length);
    }
    return marks;
  }

  /** The values of each component, by name (views, not copies). */
  split(values: Float32Array): Map<string, Float32Array> {
    return new Map(
      this.components.map((component) => {
        const { start, length } = this.of(component);
        return [component.name, values.subarray(start, start + length)];
      }),
    );
  }
}
