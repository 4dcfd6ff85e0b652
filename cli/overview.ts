/** What `orthoscope --help` prints. It comes at once: nothing is loaded for it but the index. */
import type { Command } from '../src/settings/commands.js';
import { INDEX } from './index.js';

/** The commands that are not within another one. */
export const OUTER = (Object.keys(INDEX) as Command[]).filter((name) => !name.includes(' '));

export const COMPLETION = {
  usage: 'completion',
  describe: 'Print a script that completes commands and flags in a shell',
};

export function overview(): string {
  const lines = [...OUTER.map((name) => INDEX[name]), COMPLETION];
  const width = Math.max(...lines.map(({ usage }) => usage.length));
  return [
    'orthoscope COMMAND: circuits of language models as sets of singular directions',
    '',
    'Commands:',
    ...lines.map(({ usage, describe }) => `  ${usage.padEnd(width)}  ${describe}`),
    '',
    'orthoscope COMMAND --help shows its flags; orthoscope --version, the version.',
  ].join('\n');
}
