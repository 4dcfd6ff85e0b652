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
export function repeatCommand(manifest: Manifest): string {
  const { command, model, settings } = manifest;
  if (command === 'score') return repeatScoring(manifest);
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
  const words = ['orthoscope', command, quoted(named(model))];
  for (const [key, value] of Object.entries(flags))
    if (value !== undefined && !WITHOUT_FLAG.has(key)) words.push(`--${kebabCase(key)}`, quoted(text(value)));
  return words.join(' ');
}

/** Where data sets lay is not noted, only what their files were called. */
function repeatScoring({ model, settings, data, weight_form }: Manifest): string {
  const { data: _data, ...flags } = settings;
  const words = ['orthoscope', 'score', quoted(named(model)), '--form', weight_form];
  for (const [name, { source }] of Object.entries(data)) words.push('--data', quoted(`${name}=${source}`));
  for (const [key, value] of Object.entries(flags))
    if (value !== null) words.push(`--${key.replaceAll('_', '-')}`, quoted(String(value)));
  return words.join(' ');
}

function named({ id, path, revision }: Manifest['model']): string {
  return revision === null ? path : id;
}

function text(value: unknown): string {
  return value === null ? 'none' : String(value);
}

/** Safe in a POSIX shell. */
function quoted(word: string): string {
  return /^[\w./:@%+=,-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
