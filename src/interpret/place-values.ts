/** Values of named places on the host, and logits with them. */
import type { MaskedModel, MaskedPassOptions } from '../forward/masked-model.js';
import { longestOf } from '../forward/padded-prompts.js';
import { mergedHooks, type PlaceInModel, PlaceReader } from '../forward/places.js';
import { lastOf } from '../forward/positions.js';
import type { LongCall } from '../progress.js';

export interface Values {
  /** Row-major. */
  data: Float32Array;
  shape: readonly number[];
}

/** What one pass over a batch left at the places that were asked for. */
export class PlaceValues {
  readonly #values = new Map<string, Values>();

  constructor(
    /** Token ids of each prompt. */
    readonly prompts: readonly Int32Array[],
    /** After each prompt's last token, [batch, nVocab]. */
    readonly logits: Float32Array,
    values: Iterable<readonly [PlaceInModel, Values]>,
  ) {
    for (const [{ layer, place }, value] of values) this.#values.set(`${layer} ${place}`, value);
  }

  /** @throws Error if it was not asked for */
  of({ layer, place }: PlaceInModel): Values {
    const found = this.#values.get(`${layer} ${place}`);
    if (!found) throw new Error(`${place} of layer ${layer} was not read`);
    return found;
  }

  /** Columns of padding before a prompt's first token. */
  paddingOf(prompt: number): number {
    return longestOf(this.prompts) - this.prompts[prompt]!.length;
  }

  /** The logits after one prompt, [nVocab]; a view. */
  logitsOf(prompt: number): Float32Array {
    const width = this.logits.length / this.prompts.length;
    return this.logits.subarray(prompt * width, (prompt + 1) * width);
  }
}

/**
 * Runs a batch and downloads what hooks that run before left at places: with masks, what they leave.
 * @param options as for a pass; with `ends` at `all` every position is computed, and logits are still the last ones'
 */
export async function placeValues(
  model: MaskedModel,
  prompts: readonly Int32Array[],
  places: readonly PlaceInModel[],
  { hooks, signal, ...options }: MaskedPassOptions & Pick<LongCall, 'signal'> = {},
): Promise<PlaceValues> {
  const reader = new PlaceReader(places);
  try {
    const all = { ...options, hooks: mergedHooks(hooks ?? {}, reader.hooks) };
    const states = await model.run(prompts, all, signal);
    const last = lastOf(states, prompts.length, 1);
    const logits = model.logits(last);
    const values: [PlaceInModel, Values][] = [];
    for (const place of places) {
      const tensor = reader.value(place.layer, place.place);
      values.push([place, { data: (await tensor.data()) as Float32Array, shape: tensor.shape }]);
    }
    const read = new PlaceValues(prompts, (await logits.data()) as Float32Array, values);
    for (const tensor of new Set([states, last, logits])) tensor.dispose();
    return read;
  } finally {
    reader.dispose();
  }
}
