/** The command line that repeats a run, from its manifest. */
import { type Manifest, modelName } from '../formats/manifest.js';
import { commandWords, shellCommand } from '../settings/command-line.js';
import { COMMANDS } from '../settings/commands.js';
import { settingsOf } from '../settings/complete.js';

/**
 * Every setting that differs from its default: `stopKl: 0.1` becomes `--stop-kl 0.1`. Threads or GPUs that shared a
 * batch are named as well, since the last digits follow their number.
 */
export function repeatCommand(manifest: Manifest): string {
  const { command, workers } = manifest;
  const table = COMMANDS[command];
  const values = {
    ...settingsOf(table, manifest),
    ['run' in table ? 'run' : 'model']: modelName(manifest),
    ...(workers !== undefined && workers > 1 && { workers }),
  };
  return shellCommand(commandWords(command, values));
}
