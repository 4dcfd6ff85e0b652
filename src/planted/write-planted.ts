/** Writes a planted model as a Hugging Face folder, its truth and its prompts beside it. */
import { join } from 'node:path';
import { writeJson } from '../formats/atomic-file.js';
import { makeFolder } from '../formats/make-folder.js';
import { type PromptPair, writePromptPairs } from '../formats/prompt-pairs.js';
import { writeSafetensors } from '../formats/safetensors-write.js';
import { openTokenizer } from '../formats/tokenizer.js';
import { Random } from '../random.js';
import { drawSplits } from '../tasks/draw-splits.js';
import { emptyReport } from '../tasks/report.js';
import { SPLITS, type Split, type SplitCounts } from '../tasks/splits.js';
import { wordTokenizer } from '../tasks/word-tokenizer.js';
import type { PlantedModel } from './planted-model.js';

/**
 * Writes `config.json`, `model.safetensors`, `tokenizer.json` (token 0 is unknown, then the words), and `truth.json`
 * ({@link PlantedModel.truth}).
 * @throws InputError if the folder cannot be written
 */
export async function writePlanted(
  folder: string,
  { words, tensors, shape, truth }: PlantedModel,
): Promise<void> {
  await makeFolder(folder);
  const { layers, heads, dModel, dMlp, positions } = shape;
  const float = new Map([...tensors].map(([name, tensor]) => [name, { dtype: 'F32' as const, ...tensor }]));
  await writeSafetensors(join(folder, 'model.safetensors'), float, { format: 'pt' });
  await writeJson(join(folder, 'tokenizer.json'), wordTokenizer(words));
  await writeJson(join(folder, 'truth.json'), truth);
  await writeJson(join(folder, 'config.json'), {
    architectures: ['GPT2LMHeadModel'],
    model_type: 'gpt2',
    activation_function: 'relu',
    layer_norm_epsilon: 1e-5,
    n_embd: dModel,
    n_head: heads,
    n_inner: dMlp,
    n_layer: layers,
    n_positions: positions,
    vocab_size: words.length + 1,
    tie_word_embeddings: false,
    bos_token_id: null,
    eos_token_id: null,
    torch_dtype: 'float32',
  });
}

/**
 * Prompt pairs of a planted model, clean and corrupted ones of equal length; no clean prompt comes twice.
 * @throws InputError if there are too few different ones for a split to have any
 */
export async function plantedPairs(
  folder: string,
  { draw }: PlantedModel,
  counts: SplitCounts,
  seed: number,
): Promise<Record<Split, PromptPair[]>> {
  const tokenizer = await openTokenizer(folder);
  const setting = { tokenizer, aligned: true, report: emptyReport(counts) };
  return drawSplits('planted', draw, setting, new Random(seed).fork('planted pairs'));
}

/** Writes `train.jsonl`, `validation.jsonl` and `test.jsonl`. */
export async function writePlantedPairs(folder: string, splits: Record<Split, PromptPair[]>): Promise<void> {
  for (const split of SPLITS) await writePromptPairs(join(folder, `${split}.jsonl`), splits[split]);
}
