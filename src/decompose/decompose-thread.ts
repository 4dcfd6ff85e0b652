/** A thread that decomposes: it reads layers into shared memory and decomposes what lies there, one job at a time. */
import { loadHostKernels } from '../engine/native/host-kernels.js';
import { type LayerReader, openLayerReader } from '../models/open-model.js';
import { answering } from '../pool/worker-pool.js';
import { writeFactors } from './factors.js';
import type { FactorJob, SvdJob } from './thread-jobs.js';

const kernels = await loadHostKernels();

/** A thread serves one decomposition, of one model. */
let opened: Promise<LayerReader> | undefined;

export const factors = answering(async ({ model, layer, components, out }: FactorJob) => {
  const { path, form, qkSplit } = model;
  opened ??= openLayerReader(path, form);
  const layers = await opened;
  const weights = await layers.read(layer);
  components.forEach((component, i) => {
    writeFactors(component, weights, layers.architecture, qkSplit, out[i]!);
  });
});

export const svd = answering((job: SvdJob): void => {
  for (const { factors, svd } of job) {
    const { a, b, rows, inner, cols } = factors;
    if (b) kernels.svdOfProduct(a, b, rows, inner, cols, svd);
    else kernels.svd(a, rows, cols, svd);
  }
});
