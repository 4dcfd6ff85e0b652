/** `view`: serves a run's page on this machine, with the engine behind it. */
import { once } from 'node:events';
import { InputError } from '../errors.js';
import { collect, reportedRun } from '../explorer/collect.js';
import { LiveCircuit } from '../explorer/live-circuit.js';
import { serve } from '../explorer/live-server.js';
import { explorerPage } from '../explorer/write-report.js';
import { withTakenApart } from '../interpret/open.js';
import { kindsOf } from '../models/components.js';
import type { Listener } from '../progress.js';
import { ownSettings } from '../run/own-settings.js';
import { sourceOf } from '../run/source.js';
import type { Given } from '../settings/commands.js';
import { complete } from '../settings/complete.js';

export interface ViewListener extends Listener {
  /** Called once the page can be opened. */
  onReady(url: string): void;
  /** Ends it. */
  signal: AbortSignal;
}

/**
 * Serves until the signal fires.
 * @throws InputError if the run was not evaluated, its model or prompts are not there any more, or the port is taken
 * @example
 * await view({ run: 'runs/ioi' }, { onReady: console.log, signal: AbortSignal.timeout(60_000) });
 */
export async function view(
  given: Given<'view'>,
  { onReady, signal, ...reporting }: ViewListener,
): Promise<void> {
  const { port, mostPairs, engine, store, memory, ...asked } = complete('view', given);
  const { model, run } = await sourceOf(asked.run, asked.model);
  if (!run) throw new InputError(`${asked.run}: is a model; view shows a run, which "orthoscope run" makes`);
  const reported = await reportedRun(run.path);
  const snapshot = await collect(run.path, reported);
  const own = complete('evaluate', { run: run.path, engine, store, memory }, ownSettings(run));
  const { threshold } = snapshot.core;
  const listener = { ...reporting, signal };
  await withTakenApart(
    { ...own, model, run },
    ({ model }) => kindsOf(model.architecture),
    listener,
    async (opened) => {
      const live = await LiveCircuit.open(opened, { run, own, threshold, mostPairs }, listener);
      snapshot.core.live = { prompts: live.prompts };
      const server = await serve(await explorerPage(reported, snapshot), live, port ?? 0);
      try {
        onReady(server.url);
        if (!signal.aborted) await once(signal, 'abort');
      } finally {
        await server.close();
      }
    },
  );
}
