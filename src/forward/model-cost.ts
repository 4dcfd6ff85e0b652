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
  /** Those of them that make keys and values. */
  keysValues: number;
  /** What coefficients of a layer's components are read and written with. */
  bases: number;
  /** Tokens' and learned positions' rows, which are looked up and not multiplied. */
  embedding: number;
  unembedding: number;
}

/** @param components whose directions are loaded, of all layers; none by default */
export function modelCost(architecture: Architecture, components: readonly Component[] = []): ModelCost {
  const { dModel: d, dMlp, dHead, nHeads, nKvHeads, nVocab, nPositions, gatedMlp, rotary } = architecture;
  const keysValues = 2 * d * dHead * nKvHeads;
  const { read, write } = directionCost(architecture, components);
  return {
    layer: 2 * d * dHead * nHeads + keysValues + d * dMlp * (gatedMlp ? 3 : 2),
    keysValues,
    bases: read + write,
    embedding: d * (nVocab + (rotary ? 0 : nPositions)),
    unembedding: d * nVocab,
  };
}

/** Numbers of a layer, by what they are multiplied for. */
export interface DirectionCost {
  /** What coefficients are read with. */
  read: number;
  /** What they write with, or return to a head with. */
  write: number;
  /** The plain matrices that directions stand in for where they are masked. */
  plain: number;
}

/** See `uploadBases`. @param components of all layers */
export function directionCost(architecture: Architecture, components: readonly Component[]): DirectionCost {
  const total: DirectionCost = { read: 0, write: 0, plain: 0 };
  for (const component of components) {
    if (component.layer > 0) continue;
    const { read, write, plain } = costOf(component, architecture);
    total.read += read;
    total.write += write;
    total.plain += plain;
  }
  return total;
}

function costOf(
  { kind, rows, cols, rank }: Component,
  { dHead, dModel, dMlp, rotary }: Architecture,
): DirectionCost {
  const head = dModel * dHead;
  // Planes are the head's own coordinates: nothing is read or written but the plain queries.
  if (kind === 'qk' && rotary && rank < Math.min(rows, dHead)) return { read: 0, write: 0, plain: 0 };
  if (kind === 'qk') return { read: rank * rows, write: rank * cols, plain: rotary ? head : 2 * head };
  // From the attention's result, not from the stream.
  if (kind === 'ov') return { read: rank * dHead, write: rank * dModel, plain: head };
  return { read: rank * rows, write: rank * cols, plain: dModel * dMlp };
}

/**
 * Bytes of all plain weights as float32.
 * @param components whose directions are counted as well, of all layers; none by default
 */
export function weightBytes(architecture: Architecture, components: readonly Component[] = []): number {
  const { layer, bases, embedding, unembedding } = modelCost(architecture, components);
  return 4 * (architecture.nLayers * (layer + bases) + embedding + unembedding);
}
