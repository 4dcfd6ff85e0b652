/** Shapes of real models, for what is computed from shapes alone. */
import type { Architecture } from '../../src/models/architecture.js';

export const GPT2_SMALL: Architecture = {
  family: 'gpt2',
  nLayers: 12,
  dModel: 768,
  nHeads: 12,
  nKvHeads: 12,
  dHead: 64,
  dMlp: 3072,
  nVocab: 50257,
  nPositions: 1024,
  norm: 'layer',
  normEpsilon: 1e-5,
  activation: 'gelu_new',
  gatedMlp: false,
  parallelResidual: false,
  attentionScale: new Array<number>(12).fill(1 / 8),
  biases: { q: true, k: true, v: true, o: true, mlpIn: true, mlpGate: false, mlpOut: true },
};
