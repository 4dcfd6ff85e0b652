/** A run's settings as those of an evaluation of its masks: on its own prompts, or on others. */
import type { RunFolder } from '../formats/run-folder.js';
import { COMMANDS, type Settings } from '../settings/commands.js';
import { complete, settingsOf } from '../settings/complete.js';
import { promptSettings } from '../settings/run-settings.js';

/**
 * A run's settings, its masks, and the split that it was tested on; prompts only where no others are given.
 * @throws InputError if the manifest holds a value that is not allowed
 */
export function ownSettings(
  run: RunFolder,
  { task, data }: { task?: string | null; data?: string | null } = {},
): Partial<Settings<'evaluate'>> {
  const settings = settingsOf(COMMANDS.evaluate, run.manifest);
  const tested = run.manifest.command === 'run' ? { split: 'test' as const } : {};
  const masks = run.file('masks.safetensors');
  if (task == null && data == null) return { ...settings, ...tested, masks };
  const others = Object.entries(settings).filter(
    ([key]) => key === 'seed' || (key !== 'split' && !Object.hasOwn(promptSettings, key)),
  );
  return { ...Object.fromEntries(others), masks };
}

/**
 * How the run was trained.
 * @param model where its model lies now
 */
export function ownTraining({ manifest }: RunFolder, model: string): Settings<'train'> {
  return { ...complete('train', { model }), ...settingsOf(COMMANDS.train, manifest) };
}
