/** What a model family must supply; everything after this file is the same for all families. */
import type { TensorSource } from '../formats/safetensors.js';
import type { Architecture } from './architecture.js';
import type { EndWeights, LayerWeights } from './weights.js';

/** Gain and bias of a normalisation as stored, before they are folded into the matrices that read it. */
export interface Norm {
  /** Length dModel. */
  gain: Float32Array;
  /** Length dModel; null for RMSNorm. */
  bias: Float32Array | null;
}

/** A block as the family stores it, only laid out canonically ([inputs, outputs], heads in column groups). */
export interface RawLayer extends Omit<LayerWeights, 'norms'> {
  attentionNorm: Norm;
  mlpNorm: Norm;
  /** Gains of normalisations of what a matrix writes (`LayerWeights.norms`), as stored. */
  outputGains?: LayerWeights['norms'];
}

export interface RawEnds extends EndWeights {
  finalNorm: Norm;
}

/** `config.json`, parsed. */
export type ModelConfig = Record<string, unknown>;

export interface Adapter {
  /** The `model_type` that it reads. */
  family: string;
  /** `tie_word_embeddings` where the config does not say. */
  tiedByDefault: boolean;
  /** What the token embedding's tensor is called, behind what all names of the transformer begin with. */
  embedding: string;
  /**
   * Reads the shape.
   * @throws InputError if a setting cannot be represented exactly; it names the setting.
   */
  architecture(config: ModelConfig, where: string): Architecture;
  /** The arrays are the caller's, who may change them. */
  layer(
    source: TensorSource,
    architecture: Architecture,
    layer: number,
    config: ModelConfig,
  ): Promise<RawLayer>;
  /** As `layer`. */
  ends(source: TensorSource, architecture: Architecture, config: ModelConfig): Promise<RawEnds>;
}
