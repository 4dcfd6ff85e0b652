/** Where this program keeps what it can compute again. */
import { homedir } from 'node:os';
import { join } from 'node:path';
import { InputError } from '../errors.js';

/**
 * `ORTHOSCOPE_CACHE` if set, else `orthoscope` in the platform's folder for caches: `XDG_CACHE_HOME`,
 * `~/Library/Caches` on macOS, `LOCALAPPDATA` on Windows, `~/.cache` elsewhere. It may not exist yet.
 * @throws InputError if there is none, as for a user that the system has no home folder for
 */
export function cacheFolder(
  environment: NodeJS.ProcessEnv = process.env,
  platform: NodeJS.Platform = process.platform,
): string {
  if (environment.ORTHOSCOPE_CACHE) return environment.ORTHOSCOPE_CACHE;
  return join(environment.XDG_CACHE_HOME || platformCaches(environment, platform), 'orthoscope');
}

function platformCaches(environment: NodeJS.ProcessEnv, platform: NodeJS.Platform): string {
  if (platform === 'darwin') return join(home(), 'Library', 'Caches');
  if (platform === 'win32') return environment.LOCALAPPDATA || join(home(), 'AppData', 'Local');
  return join(home(), '.cache');
}

function home(): string {
  try {
    return homedir();
  } catch {
    throw new InputError(
      'this user has no home folder for the cache; set ORTHOSCOPE_CACHE to a folder that can be written to',
    );
  }
}
