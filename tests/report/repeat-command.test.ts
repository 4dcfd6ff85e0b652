import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import yargs from 'yargs';
import {
  commonSettings,
  dataFlags,
  dataRequest,
  evaluateFlags,
  evaluateSettingsOf,
  type Flags,
  maskingFlags,
  modelFlags,
  splitFlags,
  trainFlags,
  trainSettingsOf,
} from '../../cli/options.js';
import type { Manifest } from '../../src/formats/manifest.js';
import { PRESETS } from '../../src/masks/settings.js';
import { repeatCommand } from '../../src/report/repeat-command.js';
import { reportedRun } from '../support/run-fixture.js';

const { manifest } = reportedRun();

/** The words that a POSIX shell makes of a command. */
function wordsOf(command: string): string[] {
  return execFileSync('sh', ['-c', `printf '%s\\n' ${command}`], { encoding: 'utf8' })
    .split('\n')
    .slice(0, -1);
}

/** What the command line makes of a command, as the manifest would hold it. */
function settingsOf(command: string): Manifest['settings'] {
  const [, , model, ...words] = wordsOf(command);
  const flags = yargs(words)
    .options({
      ...dataFlags,
      ...splitFlags,
      ...maskingFlags,
      ...modelFlags,
      ...trainFlags,
      ...evaluateFlags,
    })
    .strict()
    .parserConfiguration({ 'duplicate-arguments-array': false, 'dot-notation': false })
    .exitProcess(false)
    .fail((message) => {
      throw new Error(message);
    })
    .parseSync() as Flags;
  const {
    model: _model,
    store: _store,
    workers: _workers,
    memory: _memory,
    ...common
  } = commonSettings(flags, model!);
  return { ...common, ...trainSettingsOf(flags), ...evaluateSettingsOf(flags), data: dataRequest(flags) };
}

describe.skipIf(process.platform === 'win32')(
  'the command (skipped on Windows: it needs a POSIX shell)',
  () => {
    const { settings } = manifest;
    const odd = `a b'c"$(exit 1)\`;*\\`;
    it.each<[string, Manifest['settings']]>([
      ['the default preset', settings],
      ['the reference preset', { ...settings, ...PRESETS.reference }],
      [
        'settings of the user’s own',
        {
          ...settings,
          seed: -3,
          components: ['qk', 'mlp_in'],
          positions: 'all',
          l1: 0.002,
          steps: null,
          patience: 3,
          rank: 16,
          basis: 'random',
          storeDtype: 'f16',
          basisSeed: -2,
          threshold: 0.25,
          data: {
            task: 'greater-than',
            templates: ['a', 'b'],
            corruption: 'end-01',
            counts: {},
            aligned: true,
            seed: -3,
          },
        },
      ],
      [
        'files of prompt pairs',
        {
          ...settings,
          data: { data: odd, validation: 'v.csv', test: 't.csv', counts: {}, aligned: false, seed: 7 },
        },
      ],
    ])('gives the same settings again, for %s', (_, given) => {
      expect(settingsOf(repeatCommand({ ...manifest, settings: given }))).toEqual(given);
    });

    it('names a hub model by its id, another by its path', () => {
      const model = { ...manifest.model, id: 'org/name', path: '/cache/a b' };
      const command = (revision: string | null) =>
        repeatCommand({ ...manifest, model: { ...model, revision } });
      expect(wordsOf(command('f'.repeat(40))).slice(0, 3)).toEqual(['orthoscope', 'run', 'org/name']);
      expect(wordsOf(command(null)).slice(0, 3)).toEqual(['orthoscope', 'run', '/cache/a b']);
    });
  },
);
