/** Keeps what was made for the batch asked for last: schedules take several steps on the same one. */
export class BatchMemo {
  #indices: readonly number[] = [];
  readonly #made = new Map<string, unknown>();

  /**
   * @param indices the batch
   * @param name of what is made; one type each
   * @param make its result must not be changed
   */
  get<T>(indices: readonly number[], name: string, make: () => T): T {
    if (indices.length !== this.#indices.length || indices.some((index, at) => index !== this.#indices[at])) {
      this.#indices = [...indices];
      this.#made.clear();
    }
    let made = this.#made.get(name) as T | undefined;
    if (made === undefined) {
      made = make();
      this.#made.set(name, made);
    }
    return made;
  }
}
