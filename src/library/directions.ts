/** Directions as rows: what they read and write, which tokens they write, and their coefficients on a prompt. */
import type { Directions } from '../decompose/directions.js';
import { InputError } from '../errors.js';
import type { Tokenizer } from '../formats/tokenizer.js';
import type { MaskedModel } from '../forward/masked-model.js';
import { coefficientsOf, PlaceReader } from '../forward/places.js';
import { endsOf, type TokenValue } from '../interpret/token-ends.js';
import { logitColumns } from '../interpret/token-matrices.js';
import { clusterRanges, clusters } from '../kernels/thin-svd.js';
import type { Architecture } from '../models/architecture.js';
import type { Component, Kind } from '../models/components.js';
import type { EndWeights } from '../models/weights.js';

/** A singular direction: σ_k u_k v_kᵀ of W = Σ σ_k u_k v_kᵀ. The signs of u_k and v_k are only defined together. */
export interface Direction {
  /** E.g. `L9H6.ov.3`. */
  name: string;
  component: string;
  /** k, from 0, by descending σ. */
  index: number;
  sigma: number;
  /** True where other σ are so close that only the space they share is defined, and not this direction. */
  clustered: boolean;
  /** u_k, [rows of the component]: the bias's entry first, where there is one, then what it reads. */
  reads: Float32Array;
  /** v_k, [columns of the component]: what it writes; for QK the key's side. */
  writes: Float32Array;
}

/** A token and what a direction does to its logit. */
export interface TokenLogit {
  id: number;
  /** Its text; null without a tokenizer. */
  token: string | null;
  /** Logits for a coefficient of 1, before the final normalisation's factor and without what all tokens share. */
  logit: number;
}

/** The tokens that a direction writes. */
export interface TokensWritten {
  /** E.g. `L9H6.ov.3`. */
  direction: string;
  /** Raised most, for a positive coefficient. */
  raised: TokenLogit[];
  /** Lowered most, likewise. */
  lowered: TokenLogit[];
}

/** Coefficients of a prompt. */
export interface PromptCoefficients {
  /** Token ids of the prompt. */
  ids: number[];
  /** Their texts; null without a tokenizer. */
  tokens: string[] | null;
  /** By component, then token: y_k = [1, input]·u_k of each direction. */
  values: Map<string, Float32Array[]>;
}

/** The directions of one component, by descending σ. */
export function directionRows({ component, u, s, vt }: Directions): Direction[] {
  const { name, rows, cols, rank } = component;
  const clustered = new Uint8Array(rank);
  for (const { first, last } of clusterRanges(clusters(s))) clustered.fill(1, first, last + 1);
  return Array.from(s, (sigma, index) => ({
    name: `${name}.${index}`,
    component: name,
    index,
    sigma,
    clustered: clustered[index] === 1,
    reads: Float32Array.from({ length: rows }, (_, row) => u[row * rank + index]!),
    writes: vt.slice(index * cols, (index + 1) * cols),
  }));
}

const WRITES_TO_STREAM: readonly Kind[] = ['ov', 'mlp_out', 'mlp_down'];

/** @throws InputError unless what a component writes goes to the stream, from where the unembedding reads */
export function checkWritesTokens({ name, kind }: Component): void {
  if (!WRITES_TO_STREAM.includes(kind))
    throw new InputError(
      `${name}: does not write to the stream, so no tokens; ${WRITES_TO_STREAM.join(', ')} components do`,
    );
}

/** What each direction adds to the logits, as `interpret` has it of receptors: by {@link logitColumns}. */
export function tokensOf(
  directions: readonly Direction[],
  ends: EndWeights,
  architecture: Architecture,
  tokenizer: Tokenizer | null,
  top: number,
): TokensWritten[] {
  const columns = logitColumns(ends, architecture);
  const { nVocab } = architecture;
  return directions.map(({ name, sigma, writes }) => {
    const logits = new Float32Array(nVocab);
    writes.forEach((value, row) => {
      const factor = sigma * value;
      for (let token = 0; token < nVocab; token++) logits[token]! += factor * columns[row * nVocab + token]!;
    });
    const { highest, lowest } = endsOf(logits, top);
    const listed = (values: readonly TokenValue[]): TokenLogit[] =>
      values.map(({ id, value }) => ({ id, token: tokenizer?.token(id) ?? null, logit: value }));
    return { direction: name, raised: listed(highest), lowered: listed(lowest) };
  });
}

/**
 * Runs a prompt and reads coefficients.
 * @param model loaded with the directions of the components' kinds
 */
export async function coefficientsOn(
  model: MaskedModel,
  tokenizer: Tokenizer | null,
  ids: Int32Array,
  components: readonly Component[],
): Promise<PromptCoefficients> {
  const { layout, sigma } = model;
  const values: PromptCoefficients['values'] = new Map();
  const places = new Map(
    components.map(({ layer, kind }) => [`${layer}.${kind}`, { layer, place: coefficientsOf(kind) }]),
  );
  const reader = new PlaceReader([...places.values()]);
  model.forward([ids], { hooks: reader.hooks, positions: 'all', ends: 'all' }).dispose();
  try {
    for (const component of components) {
      const { layer, kind, name } = component;
      const all = (await reader.value(layer, coefficientsOf(kind)).data()) as Float32Array;
      const width = all.length / ids.length;
      const { start, length } = layout.of(component);
      const first = start - layout.block(layer, kind)!.start;
      // The place of OV holds σ_k y_k.
      const unit = (k: number) => (kind === 'ov' ? sigma[start + k]! : 1);
      values.set(
        name,
        Array.from(ids, (_, token) =>
          Float32Array.from({ length }, (_, k) => {
            const value = all[token * width + first + k]!;
            return unit(k) === 0 ? 0 : value / unit(k);
          }),
        ),
      );
    }
  } finally {
    reader.dispose();
  }
  return { ids: [...ids], tokens: tokenizer && Array.from(ids, (id) => tokenizer.token(id)), values };
}
