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

/** Llama 3.2's 3B. */
export const LLAMA_3B: Architecture = {
  family: 'llama',
  nLayers: 28,
  dModel: 3072,
  nHeads: 24,
  nKvHeads: 8,
  dHead: 128,
  dMlp: 8192,
  nVocab: 128_256,
  nPositions: 131_072,
  norm: 'rms',
  normEpsilon: 1e-5,
  activation: 'silu',
  gatedMlp: true,
  parallelResidual: false,
  rotary: Array.from({ length: 28 }, () => ({
    dims: 128,
    frequencies: new Array<number>(64).fill(1),
    scale: 1,
  })),
  attentionScale: new Array<number>(28).fill(1 / Math.sqrt(128)),
  biases: { q: false, k: false, v: false, o: false, mlpIn: false, mlpGate: false, mlpOut: false },
};
