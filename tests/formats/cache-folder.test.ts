import { homedir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { cacheFolder } from '../../src/formats/cache-folder.js';

it.each<[NodeJS.ProcessEnv, NodeJS.Platform, string]>([
  [{ ORTHOSCOPE_CACHE: '/x', XDG_CACHE_HOME: '/y' }, 'linux', '/x'],
  [{ XDG_CACHE_HOME: '/y' }, 'linux', join('/y', 'orthoscope')],
  [{ ORTHOSCOPE_CACHE: '', XDG_CACHE_HOME: '' }, 'linux', join(homedir(), '.cache', 'orthoscope')],
  [{}, 'darwin', join(homedir(), 'Library', 'Caches', 'orthoscope')],
  [{ LOCALAPPDATA: '/z' }, 'win32', join('/z', 'orthoscope')],
  [{}, 'win32', join(homedir(), 'AppData', 'Local', 'orthoscope')],
])('%j on %s', (environment, platform, folder) => {
  expect(cacheFolder(environment, platform)).toBe(folder);
});
