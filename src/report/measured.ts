/** What a table of figures was measured on, in words; and where that is not what its run was made with. */
import type { Metrics, SplitMetrics } from '../evaluate/metrics-file.js';
import type { Manifest } from '../formats/manifest.js';
import { count } from './figures.js';

/** Enough of a SHA-256 to tell two files apart by eye; the JSON files hold the rest. */
const HASH_SHOWN = 12;

/** `c3a1…`, short. */
export function shortHash(hash: string): string {
  return `${hash.slice(0, HASH_SHOWN)}…`;
}

/** One line: `test: task ioi, seed 0; 1,000 prompts; positions last, replacement interchange`. */
export function measuredOn(name: string, { source, n }: SplitMetrics, { measured }: Metrics): string {
  return `${name}: ${source}; ${count(n)} prompts; positions ${measured.positions}, replacement ${measured.replacement}`;
}

/** The rest of what a reader needs who wants to measure the same again. */
export function measuredWith({ hash }: SplitMetrics, { measured }: Metrics): string {
  const { model, weight_form, masks, threshold, seed } = measured;
  return (
    `Kept if the mask is above ${threshold}; seed ${seed}; weight form ${weight_form}. ` +
    `SHA-256 of the prompts ${shortHash(hash)}, of the masks file ${shortHash(masks)}, of the weights ${shortHash(model.hash)}`
  );
}

/**
 * In what an evaluation differs from the run that its folder belongs to, e.g. `replacement mean (the run: interchange)`:
 * masks of a run may be measured on other prompts or under another rule, but then that has to be said.
 */
export function differences({ measured, splits }: Metrics, manifest: Manifest): string[] {
  const { settings, data, seeds } = manifest;
  const pairs: [name: string, measured: unknown, run: unknown][] = [
    ['positions', measured.positions, settings.positions],
    ['replacement', measured.replacement, settings.replacement],
    ['threshold', measured.threshold, settings.threshold],
    ['seed', measured.seed, seeds.run],
    ['weight form', measured.weight_form, manifest.weight_form],
  ];
  const found = pairs
    .filter(([, here, run]) => run !== undefined && here !== run)
    .map(([name, here, run]) => `${name} ${here} (the run: ${run})`);
  for (const [name, { source, hash }] of Object.entries(splits)) {
    const own = data[name];
    // A run that was only trained has no test prompts: those it was trained on say what it is about.
    const about = own?.source ?? data.train?.source;
    if (about !== undefined && about !== source) found.push(`${name} prompts ${source} (the run: ${about})`);
    else if (own && own.hash !== hash)
      found.push(`${name} prompts called ${source} as the run's, but others`);
  }
  return found;
}
