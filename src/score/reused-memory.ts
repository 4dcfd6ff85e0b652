/** Shared memory that is used over and over: it grows to the largest need and is never given back. */

/** Arrays begin on multiples of this many floats. */
const ALIGNMENT = 16;

export class ReusedMemory {
  #buffer = new SharedArrayBuffer(0);
  #taken = 0;

  /** Everything that was taken may be overwritten from here on. */
  clear(): void {
    this.#taken = 0;
  }

  /** A float32 array with whatever was there before. */
  take(length: number): Float32Array {
    const from = this.#taken;
    this.#taken += Math.ceil(length / ALIGNMENT) * ALIGNMENT;
    if (4 * this.#taken > this.#buffer.byteLength) {
      // Arrays that were taken already keep the old buffer alive.
      this.#buffer = new SharedArrayBuffer(Math.ceil(4 * this.#taken * 1.25));
      this.#taken = Math.ceil(length / ALIGNMENT) * ALIGNMENT;
      return new Float32Array(this.#buffer, 0, length);
    }
    return new Float32Array(this.#buffer, 4 * from, length);
  }
}
