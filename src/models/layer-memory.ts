/** Memory that holds the weights of one layer at a time. */
import type { TensorSource } from '../formats/safetensors.js';

/**
 * V8 looks for garbage whenever some 60 MB of arrays were made, every other layer of GPT-2 small, on the cores that
 * decompose. What needs one layer at a time therefore reads all of them to the same place.
 */
export class LayerMemory {
  readonly #buffers: ArrayBuffer[] = [];

  /** The source, for reading one layer over the one before: what had been read is no longer valid. */
  over(source: TensorSource): TensorSource {
    let next = 0;
    const memory = (bytes: number) => this.#buffer(next++, bytes);
    return {
      ...source,
      readFloat32: (name, options) => source.readFloat32(name, { ...options, memory }),
    };
  }

  /** Layers of one model have the same tensors in the same order, so that a place's size hardly ever changes. */
  #buffer(place: number, bytes: number): ArrayBuffer {
    const before = this.#buffers[place];
    if (before?.byteLength === bytes) return before;
    const buffer = new ArrayBuffer(bytes);
    this.#buffers[place] = buffer;
    return buffer;
  }
}
