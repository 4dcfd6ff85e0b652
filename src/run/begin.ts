/** How commands that mask begin: everything is checked, then decomposed, and only then a folder is made. */
import { createRun, findRun, type RunFolder } from '../formats/run-folder.js';
import { checkPairs } from '../pairs/pair-requirements.js';
import type { Listener, LongCall } from '../progress.js';
import type { Kind, LossKind, Replacement } from '../settings/choices.js';
import type { Settings } from '../settings/commands.js';
import type { Split } from '../tasks/splits.js';
import { checkRank } from './basis.js';
import { type DataRequest, loadData, type RunData } from './data.js';
import { checkedKinds } from './decomposition.js';
import { newManifest } from './session.js';
import type { Subject } from './subject.js';
import { openWorkbench, type Workbench, type WorkbenchOptions, workload } from './workbench.js';

type Masked = 'run' | 'train' | 'evaluate' | 'compare';

export interface Beginning<Of extends Masked> {
  command: Of;
  settings: Settings<Of>;
  data: RunData;
  /** Kinds that are masked; null: all. */
  components: readonly Kind[] | null;
  /** Pairs in a training step; 0 where nothing is trained. */
  batchSize: number;
  /** The basis of masks that are there already. */
  basisName?: string | null;
  /** Folder of the run. */
  out: string;
  /** Go on with the run in it. */
  resume: boolean;
}

/**
 * Decomposes, opens an engine and makes the run's folder, or goes on with the run in it: what fails before leaves
 * nothing behind but finished layers in the store.
 * @throws InputError if the folder holds something else, or there is no such engine; and see `openWorkbench`
 */
export async function begin<Of extends Masked>(
  subject: Subject,
  { command, settings, data, components, batchSize, basisName, out, resume }: Beginning<Of>,
  listener: Listener,
): Promise<{ session: RunFolder; bench: Workbench }> {
  const { rank } = settings as Partial<Settings<'train'>>;
  checkRank({ basis: settings.basis, rank: rank ?? null });
  const manifest = await newManifest({ command, settings, subject, data });
  await findRun(out, manifest, { resume });

  const started = performance.now();
  const options: Omit<WorkbenchOptions, keyof LongCall> = {
    ...settings,
    components,
    basisName,
    estimatedOn: data.splits.train,
  };
  const bench = await openWorkbench(subject, workload(data, batchSize), { ...options, ...listener });
  const { name, version, reason } = bench.engine;
  listener.onNote?.(`engine ${name} (${version}): ${reason}`);
  const session = await createRun(
    out,
    {
      ...manifest,
      engine: name,
      workers: bench.runner.workers,
      versions: { ...manifest.versions, [name]: version },
      seconds: { decompose: (performance.now() - started) / 1000 },
    },
    { resume },
  ).catch(async (error) => {
    await bench.runner.close();
    throw error;
  });
  return { session, bench };
}

/** What is asked of prompts, and of the model. */
export interface Request extends DataRequest {
  components: readonly Kind[] | null;
  replacement: Replacement;
  loss: LossKind;
}

/** The data of a run, checked against what its settings ask of pairs. */
export async function checkedData(
  subject: Subject,
  request: Request,
  splits: readonly Split[],
  { onNote }: Listener,
  cut: readonly Split[] = [],
): Promise<RunData> {
  const data = await loadData(subject, request, splits, cut);
  for (const line of [...subject.model.notes, ...data.notes]) onNote?.(line);
  const kinds = checkedKinds(subject.model, request.components);
  for (const pairs of Object.values(data.splits)) checkPairs(pairs, { ...request, kinds });
  return data;
}
