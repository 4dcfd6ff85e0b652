/**
 * What a model takes by its shape alone, before anything is loaded: the one account that estimates of runs, sweeps and
 * scorings are made of.
 */
import type { Architecture } from '../models/architecture.js';
import type { Component } from '../models/components.js';

/** Numbers in its matrices. Each is multiplied once for every position that passes it. */
export interface ModelCost {
  /** The plain matrices of a layer. */
  layer: number;
  /** What coefficients of a layer's components are read and written with. */
  bases: number;
  /** Tokens' and learned positions' rows, which are looked up and not multiplied. */
  embedding: number;
  unembedding: number;
}

/** @param components whose directions are loaded, of all layers; none by default */
export function modelCost(architecture: Architecture, components: readonly Component[] = []): ModelCost {
  const { dModel: d, dMlp, dHead, nHeads, nKvHeads, nVocab, nPositions, gatedMlp, rotary } = architecture;
  const attention = d * dHead * (2 * nHeads + 2 * nKvHeads);
  const ofLayer = components.filter(({ layer }) => layer === 0);
  return {
    layer: attention + d * dMlp * (gatedMlp ? 3 : 2),
    bases: ofLayer.reduce((sum, component) => sum + basisSize(component, architecture), 0),
    embedding: d * (nVocab + (rotary ? 0 : nPositions)),
    unembedding: d * nVocab,
  };
}

/** See `uploadBases`. */
function basisSize({ kind, rows, cols, rank }: Component, { dHead, dModel, rotary }: Architecture): number {
  // Planes are the head's own coordinates: nothing is read or written but the plain queries.
  if (kind === 'qk' && rotary && rank < Math.min(rows, dHead)) return 0;
  // From the attention's result, not from the stream.
  if (kind === 'ov') return rank * (dHead + dModel);
  return rank * (rows + cols);
}

/** Bytes of all plain weights as float32. */
export function weightBytes(architecture: Architecture): number {
  const { layer, embedding, unembedding } = modelCost(architecture);
  return 4 * (architecture.nLayers * layer + embedding + unembedding);
}
