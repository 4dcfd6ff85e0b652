/** The command line that repeats a run, from its manifest. */
import { kebabCase } from '../case.js';
import { isRecord } from '../formats/json-file.js';
import type { Manifest } from '../formats/manifest.js';

/** Settings without a flag of their own: they follow from the preset, from `positions` or from nothing but the version. */
const WITHOUT_FLAG = new Set(['betas', 'eps', 'freshOptimiser', 'roundingClamp', 'level', 'aligned']);

/**
 * Every other setting is spelt out, so that the command means the same should a default change: `stopKl: 0.1`
 * becomes `--stop-kl 0.1`. A hub model is named by its id, another by the path it was given as.
 */
export function repeatCommand({ command, model, settings }: Manifest): string {
  const { data, components, ...others } = settings;
  const { counts, ...prompts } = isRecord(data) ? data : {};
  const flags: Record<string, unknown> = {
    ...prompts,
    ...(isRecord(counts)
      ? Object.fromEntries(Object.entries(counts).map(([split, pairs]) => [`${split}Pairs`, pairs]))
      : {}),
    ...(components === null ? {} : { components }),
    preset: settings.freshOptimiser === true ? 'reference' : 'default',
    ...others,
  };
  const words = ['orthoscope', command, quoted(model.revision === null ? model.path : model.id)];
  for (const [key, value] of Object.entries(flags))
    if (value !== undefined && !WITHOUT_FLAG.has(key)) words.push(`--${kebabCase(key)}`, quoted(text(value)));
  return words.join(' ');
}

function text(value: unknown): string {
  return value === null ? 'none' : String(value);
}

/** Safe in a POSIX shell. */
function quoted(word: string): string {
  return /^[\w./:@%+=,-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
