/**
 * Data-parallel masks: every thread holds the model, a batch is shared out over them, and only masks, gradients
 * and scores travel. Who computes what depends on the prompts and the number of threads alone, and sums are taken
 * in a fixed order, so that two runs agree to the last bit.
 */
import { emptyScores, type PromptScores, setScores } from '../evaluate/prompt-scores.js';
import type { TokenPair } from '../formats/token-pairs.js';
import type { Passes } from '../masks/cost.js';
import type { Objective } from '../masks/objective.js';
import { batchesByLength } from '../masks/padded-prompts.js';
import {
  allocatePairData,
  type Masking,
  type PairData,
  settlePairData,
  subsetOf,
} from '../masks/pair-data.js';
import { openThreads } from '../pool/threads.js';
import type { WorkerPool } from '../pool/worker-pool.js';
import type { LongCall } from '../progress.js';
import type { MaskRunner, RunnablePairs } from './mask-runner.js';
import type { Job, MaskJob, ObjectiveJob, PairJob, WorkerModel } from './mask-worker.js';

export interface ThreadedOptions extends LongCall {
  model: WorkerModel;
  masking: Masking;
  workers: number;
  passes: Passes;
}

/** Opens the threads, each of which loads the model. Close it when done. */
export async function openThreadedRunner({
  model,
  masking,
  workers,
  passes,
  onProgress,
  signal,
}: ThreadedOptions): Promise<MaskRunner> {
  const threads = openThreads({ file: 'src/run/mask-worker.js', workers });
  onProgress?.({ stage: 'load', done: 0, total: workers });
  // As many jobs as threads: each takes one and loads.
  const loads = Array.from({ length: workers }, () =>
    threads.run<Float32Array>('sigma', { model, passes } satisfies Job, signal),
  );
  const [sigma] = await Promise.all(loads).catch(async (error) => {
    await threads.close();
    throw error;
  });
  onProgress?.({ stage: 'load', done: workers, total: workers });
  return {
    layout: masking.layout,
    sigma: sigma!,
    workers,
    async prepare(pairs, { onProgress, signal, ...options }) {
      const data = allocatePairData(masking, pairs, { ...options, keepPast: passes.keepPast });
      await inBatches(pairs, threads, passes, { onProgress, signal }, 'prepare', (batch) => {
        const job: PairJob = { model, passes, data: subsetOf(data, batch) };
        return threads.run('fill', job, signal);
      });
      return runnable(threads, { model, passes }, settlePairData(masking, data));
    },
    close: () => threads.close(),
  };
}

function runnable(threads: WorkerPool, base: Job, data: PairData): RunnablePairs {
  return {
    length: data.pairs.length,
    async objective(indices, masks, loss) {
      const lengths = indices.map((index) => data.pairs[index]!.clean.length);
      const shares = sharesByLength(lengths, threads.workers);
      const parts = await Promise.all(
        shares.map((share) => {
          const members = share.map((at) => indices[at]!);
          const job: ObjectiveJob = { ...base, data: subsetOf(data, members), masks, loss };
          return threads.run<Objective>('gradient', job);
        }),
      );
      return joined(
        parts,
        shares.map((share) => share.length / indices.length),
      );
    },
    async score(masks, call = {}) {
      const scores = emptyScores(data.pairs.length);
      await inBatches(data.pairs, threads, base.passes, call, 'evaluate', async (batch) => {
        const job: MaskJob = { ...base, data: subsetOf(data, batch), masks };
        setScores(scores, batch, await threads.run<PromptScores>('scores', job, call.signal));
      });
      return scores;
    },
  };
}

/** Mean of the parts, by weight. */
function joined(parts: readonly Objective[], weights: readonly number[]): Objective {
  const gradient = new Float32Array(parts[0]!.gradient.length);
  parts.forEach((part, at) => {
    for (let i = 0; i < gradient.length; i++) gradient[i]! += weights[at]! * part.gradient[i]!;
  });
  const mean = (of: (part: Objective) => number) =>
    parts.reduce((sum, part, at) => sum + weights[at]! * of(part), 0);
  return { kl: mean(({ kl }) => kl), loss: mean(({ loss }) => loss), gradient };
}

/** All pairs in batches of similar length, at least one for each thread; threads take the next as they get free. */
async function inBatches(
  pairs: readonly TokenPair[],
  { workers }: WorkerPool,
  { forward }: Passes,
  { onProgress }: LongCall,
  stage: string,
  work: (batch: number[]) => Promise<unknown>,
): Promise<void> {
  const lengths = pairs.map(({ clean }) => clean.length);
  const total = pairs.length;
  let done = 0;
  onProgress?.({ stage, done, total });
  const batches = sharesByLength(lengths, workers).flatMap((share) =>
    batchesByLength(
      share.map((index) => lengths[index]!),
      forward,
    ).map((batch) => batch.map((at) => share[at]!)),
  );
  await Promise.all(
    batches.map(async (batch) => {
      await work(batch);
      done += batch.length;
      onProgress?.({ stage, done, total });
    }),
  );
}

/** Cuts prompts into at most `count` shares of about equal work, each of prompts of similar length; none is empty. */
export function sharesByLength(lengths: readonly number[], count: number): number[][] {
  const order = lengths.map((_, index) => index).sort((a, b) => lengths[a]! - lengths[b]! || a - b);
  const total = lengths.reduce((sum, length) => sum + length, 0);
  const shares: number[][] = Array.from({ length: count }, () => []);
  let before = 0;
  for (const index of order) {
    // By the middle of the prompt, so that a share is at most half a prompt too large or too small.
    const share = Math.floor((count * (before + lengths[index]! / 2)) / total);
    shares[Math.min(share, count - 1)]!.push(index);
    before += lengths[index]!;
  }
  return shares.filter((share) => share.length > 0);
}
