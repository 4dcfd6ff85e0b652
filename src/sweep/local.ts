/** Does runs in processes of this machine, as many at once as its cores and memory allow. */
import { throwIfAborted } from '../errors.js';
import { decomposeOnce } from './decompose-once.js';
import type { Executor } from './executor.js';
import type { PlannedRun } from './expand.js';
import { sizeKey } from './job.js';
import type { Place } from './place.js';
import { Processes } from './processes.js';
import { Footprints, type Machine, share } from './shares.js';
import type { SweepFolder } from './sweep-folder.js';

/** A run whose process died is tried once more. */
const ATTEMPTS = 2;

export interface LocalOptions {
  folder: SweepFolder;
  machine: Machine;
  /** Folder of stored decompositions; null: in the cache folder. */
  store: string | null;
}

export function localExecutor({ folder, machine, store }: LocalOptions): Executor {
  return async (runs, { onEvent, signal }) => {
    const footprints = new Footprints();
    const processes = new Processes(folder.root);
    const queue = [...runs];
    const underway = new Map<string, { bytes: number; ended: Promise<void> }>();
    const attempt = async (run: PlannedRun, place: Place, number: number): Promise<void> => {
      const { job } = run;
      await onEvent({ type: 'started', id: job.id, worker: 'this machine' });
      const outcome = await processes.perform(
        { job, place },
        { signal, onProgress: (event) => void onEvent({ type: 'progress', id: job.id, event }) },
      );
      footprints.measured(sizeKey(job), outcome.peakBytes);
      if (outcome.ok) await onEvent({ type: 'complete', id: job.id });
      else if (outcome.final || number >= ATTEMPTS)
        await onEvent({ type: 'failed', id: job.id, error: outcome.error, attempts: number });
      else {
        await onEvent({ type: 'note', text: `run ${job.id}: ${outcome.error}; trying once more` });
        await attempt(run, place, number + 1);
      }
    };

    try {
      await decomposeOnce(runs, {
        store,
        workers: machine.cores,
        signal,
        onProgress: (id, event) => void onEvent({ type: 'progress', id, event }),
      });
      while (queue.length > 0) {
        throwIfAborted(signal);
        const run = queue[0]!;
        const bytes = footprints.bytes(sizeKey(run.job), run.weightBytes);
        const used = [...underway.values()].reduce((sum, entry) => sum + entry.bytes, 0);
        const { atOnce, coresEach } = share(
          machine,
          { bytes, threads: run.job.settings.workers },
          queue.length + underway.size,
        );
        if (underway.size > 0 && (underway.size >= atOnce || used + bytes > machine.memory)) {
          await Promise.race([...underway.values()].map(({ ended }) => ended));
          continue;
        }
        queue.shift();
        const place = { model: folder.seenFrom(run.model), store, cores: coresEach };
        const ended = attempt(run, place, 1).finally(() => underway.delete(run.job.id));
        underway.set(run.job.id, { bytes, ended });
      }
      await Promise.all([...underway.values()].map(({ ended }) => ended));
    } catch (error) {
      // The others hear the same signal; none is left behind.
      await Promise.allSettled([...underway.values()].map(({ ended }) => ended));
      throw error;
    } finally {
      await processes.end();
    }
  };
}
