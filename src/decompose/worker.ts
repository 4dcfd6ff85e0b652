/** A thread that decomposes: it reads layers into shared memory and decomposes what lies there, one job at a time. */
import { loadKernels } from '../kernels/kernels.js';
import { openModel } from '../models/open-model.js';
import type { Model } from '../models/weights.js';
import { answering } from '../pool/worker-pool.js';
import { writeFactors } from './factors.js';
import type { FactorJob, ModelSource, SvdJob } from './jobs.js';

const kernels = await loadKernels();

/** A thread serves one decomposition, of one model. */
let opened: Promise<Model> | undefined;

function open({ path, form, qkSplit }: ModelSource): Promise<Model> {
  opened ??= openModel(path, form, qkSplit, { oneLayer: true });
  return opened;
}

export const factors = answering(async ({ model: source, layer, components, out }: FactorJob) => {
  const model = await open(source);
  const weights = await model.layer(layer);
  components.forEach((component, i) => {
    writeFactors(component, weights, model.architecture, model.qkSplit, out[i]!);
  });
});

export const svd = answering((job: SvdJob): void => {
  for (const { factors, svd } of job) {
    const { a, b, rows, inner, cols } = factors;
    if (b) kernels.svdOfProduct(a, b, rows, inner, cols, svd);
    else kernels.svd(a, rows, cols, svd);
  }
});
