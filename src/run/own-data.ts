/** The prompts that a run was made with, for commands that test its circuit further. */
import { InputError } from '../errors.js';
import type { RunFolder } from '../formats/run-folder.js';
import type { Listener } from '../progress.js';
import type { Kind } from '../settings/choices.js';
import type { Settings } from '../settings/commands.js';
import { SPLITS, type Split } from '../tasks/splits.js';
import { checkedData } from './begin.js';
import { type RunData, someSplits } from './data.js';
import type { Subject } from './subject.js';

/**
 * The prompts that the run was tested on, and where it trained those that it learned from.
 * @param own the run's settings, of an evaluation of its masks
 * @param kinds that are masked
 * @throws InputError if they are not there any more as they were
 */
export async function ownData(
  { path, manifest }: RunFolder,
  subject: Subject,
  own: Settings<'evaluate'>,
  kinds: readonly Kind[],
  listener: Listener,
): Promise<{ data: RunData; split: Split }> {
  const split = own.split ?? 'test';
  const cut = own.split !== null || own.task !== null;
  const asked = { ...own, components: kinds, loss: 'kl' as const };
  const loaded = await checkedData(subject, asked, cut ? SPLITS : [split], listener);
  const data = someSplits(manifest.command === 'run' ? SPLITS : [split], loaded);
  const { hash, source } = data.described[split]!;
  const before = manifest.data[split];
  if (before && before.hash !== hash)
    throw new InputError(`${path}: ${source} does not give the prompts any more that it was made with`);
  return { data, split };
}
