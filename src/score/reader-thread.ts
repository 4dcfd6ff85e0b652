/** A thread that reads: some directions' bases and statistics, kept in its kernels from first to last. */
import { answering } from '../pool/worker-pool.js';
import { DirectionReader, type ReadValues, readerKernels } from './direction-reader.js';
import type { ReaderAnswer, ReaderJob } from './reader-jobs.js';

const kernels = await readerKernels();
let reader: DirectionReader;

/** Does one job without an await: the next one would otherwise begin in between and find half of the rows taken in. */
export const readerJob = answering((job: ReaderJob): ReaderAnswer => {
  const started = performance.now();
  const values = perform(job);
  return { values, seconds: (performance.now() - started) / 1000 };
});

function perform(job: ReaderJob): ReadValues[] {
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
