/** A thread of the scorer: some directions' bases and statistics, kept in its kernels from first to last. */
import { instantiateKernels } from '../kernels/kernels.js';
import { DirectionReader, type ReadValues } from '../kernels/reader.js';
import { answering } from '../pool/answering.js';
import type { Job, JobResult } from './jobs.js';

const kernels = await instantiateKernels();
let reader: DirectionReader;

/** Does one job, without ever giving way to the next one. */
export const work = answering((job: Job): JobResult => {
  const started = performance.now();
  const values = done(job);
  return { values, seconds: (performance.now() - started) / 1000 };
});

function done(job: Job): ReadValues[] {
  switch (job.job) {
    case 'open':
      reader = new DirectionReader(kernels, job.bases, job.sizes);
      return [];
    case 'read':
      return reader.read(job.rows, job.keep);
    case 'save':
      reader.save(job.side, job.states);
      return [];
    case 'restore':
      reader.restore(job.side, job.states);
      return [];
    case 'clear':
      reader.clear();
      return [];
  }
}
