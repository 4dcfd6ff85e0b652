/** Decomposes what several runs share before they begin, so that no two of them do it. */
import type { ProgressEvent } from '../progress.js';
import { decomposeSubject } from '../run/decomposition.js';
import { withSubject } from '../run/subject.js';
import type { PlannedRun } from './expand.js';

export interface DecomposeOnceOptions {
  /** Folder of the store; null: in the cache folder. */
  store: string | null;
  /** Threads. */
  workers: number;
  /** @param id the first run that needs it */
  onProgress?: (id: string, event: ProgressEvent) => void;
  signal?: AbortSignal;
}

/** Each model, weight form and choice of kinds once; what is in the store already costs a look. */
export async function decomposeOnce(
  runs: readonly Pick<PlannedRun, 'job' | 'model'>[],
  { store, workers, onProgress, signal }: DecomposeOnceOptions,
): Promise<void> {
  const seen = new Set<string>();
  for (const { job, model } of runs) {
    const { form, bos, components, storeDtype } = job.settings;
    const key = JSON.stringify([job.model.hash, form, components, storeDtype]);
    if (seen.has(key)) continue;
    seen.add(key);
    const call = { signal, onProgress: (event: ProgressEvent) => onProgress?.(job.id, event) };
    await withSubject(model, { form, bos, ...call }, (subject) =>
      decomposeSubject(subject, { components, storeDtype, store, workers, memory: null, ...call }),
    );
  }
}
