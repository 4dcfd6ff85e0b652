/** What travels between a decomposition and its threads; arrays lie on shared memory, so that only their place travels. */
import type { ThinSvd } from '../kernels/thin-svd.js';
import type { Component } from '../models/components.js';
import type { Model } from '../models/weights.js';
import type { Factors } from './factors.js';

/** Enough of a model to open it again in a thread. */
export type ModelSource = Pick<Model, 'path' | 'form' | 'qkSplit'>;

/** Reads a layer and leaves the factors of its components. */
export interface FactorJob {
  model: ModelSource;
  layer: number;
  components: readonly Component[];
  /** Where each component's factors go. */
  out: readonly Factors[];
}

/** Matrices that are decomposed one after the other. */
export type SvdJob = readonly { factors: Factors; svd: ThinSvd }[];
