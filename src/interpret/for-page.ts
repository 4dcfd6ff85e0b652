/** Files beside the readings that the run's page is made of: spectra, prompts taken apart, circuits of other sizes. */

import { existsSync } from 'node:fs';
import { writeText } from '../formats/atomic-file.js';
import type { RunFolder } from '../formats/run-folder.js';
import { type TensorData, writeSafetensors } from '../formats/safetensors-write.js';
import type { TokenPair } from '../formats/token-pairs.js';
import type { MaskLayout } from '../forward/layout.js';
import type { MaskedModel } from '../forward/masked-model.js';
import { heed } from '../heed.js';
import { readMasks } from '../masks/masks-file.js';
import type { PreparedPairs } from '../pairs/prepared-pairs.js';
import type { LongCall } from '../progress.js';
import { type CardOptions, promptCard } from './prompt-card.js';
import type { TakenApart } from './taken-apart.js';

/** How `run` has its circuit read: over so many test prompts, importances by gradients alone. */
export const PAGE_READING = { mostPairs: 64, exact: 0 } as const;

/** Singular values: a tensor for each component, [directions]. */
export const SPECTRA = 'spectra.safetensors';
/** A line for each prompt (`PromptCard`). */
export const PROMPT_CARDS = 'prompt-cards.jsonl';
/** A list of `SizePoint`. */
export const SIZES = 'sizes.json';

export function writeSpectra(path: string, { layout, sigma }: MaskedModel): Promise<void> {
  const tensors = [...layout.split(sigma)].map(([name, data]): [string, TensorData] => [
    name,
    { dtype: 'F32', shape: [data.length], data },
  ]);
  return writeSafetensors(path, new Map(tensors), { format: 'orthoscope-spectra' });
}

/**
 * The soft masks of a run, flat, by which its directions can be ranked.
 * @returns null where the run had no rounding phase, or masks other kinds than the layout has
 */
export async function softRanking(run: RunFolder, layout: MaskLayout): Promise<Float32Array | null> {
  const path = run.file('checkpoints/soft.safetensors');
  if (!existsSync(path)) return null;
  const { values } = await readMasks(path);
  const flat = new Float32Array(layout.size);
  for (const [name, view] of layout.split(flat)) {
    const own = values.get(name);
    if (!own || own.length !== view.length) return null;
    view.set(own);
  }
  return flat;
}

export async function writePromptCards(
  path: string,
  apart: TakenApart,
  prepared: PreparedPairs,
  masks: Float32Array | null,
  { most, onProgress, signal, ...options }: { most: number } & CardOptions & LongCall,
): Promise<void> {
  const chosen = overGroups(prepared.pairs, most);
  const lines: string[] = [];
  for (const index of chosen) {
    await heed(signal);
    lines.push(
      `${JSON.stringify(await promptCard(apart, prepared, index, masks, { ...options, signal }))}\n`,
    );
    onProgress?.({ stage: 'prompts', done: lines.length, total: chosen.length });
  }
  await writeText(path, lines.join(''));
}

/** The first of each group, then the second of each, and so on. */
function overGroups(pairs: readonly TokenPair[], most: number): number[] {
  const groups = new Map<string, number[]>();
  pairs.forEach(({ group = '' }, index) => groups.set(group, [...(groups.get(group) ?? []), index]));
  const rounds = Math.max(0, ...[...groups.values()].map(({ length }) => length));
  return Array.from({ length: rounds }, (_, round) => [...groups.values()].flatMap((own) => own[round] ?? []))
    .flat()
    .slice(0, most);
}
