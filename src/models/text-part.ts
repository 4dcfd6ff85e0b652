/** Models that read images, too: their text part, which is a model by itself as long as there is no image. */
import { InputError } from '../errors.js';
import { isRecord } from '../formats/json-file.js';
import type { ModelConfig } from './adapter.js';

/** `model_type` of the whole → of its text part, where the config does not say, and always for names of ours. */
const WHOLES: Record<string, string> = {
  gemma3: 'gemma3_text',
  idefics3: 'llama',
  internvl: 'qwen2',
  llava: 'llama',
  llava_next: 'llama',
  llava_onevision: 'qwen2',
  mistral3: 'mistral',
  qwen2_5_vl: 'qwen2_5_vl_text',
  qwen2_vl: 'qwen2_vl_text',
  qwen3_vl: 'qwen3_vl_text',
  smolvlm: 'llama',
};

/** Text parts that are a family of their own by name alone: without images the three position ids of a token are equal. */
const PARTS: Record<string, string> = {
  qwen2_5_vl_text: 'qwen2',
  qwen2_vl_text: 'qwen2',
  qwen3_vl_text: 'qwen3',
};

/**
 * @returns the config of the text part, and a note; the config itself where it is of text alone
 * @throws InputError if the whole is known and its text part is not described
 */
export function textPart(config: ModelConfig, where: string): { config: ModelConfig; note: string | null } {
  const whole = config.model_type;
  if (typeof whole !== 'string' || !Object.hasOwn(WHOLES, whole)) return { config, note: null };
  // Older configs of Qwen2-VL describe the text part beside the image encoder's.
  const described =
    config.text_config ?? (isRecord(config.vision_config) && config.hidden_size ? config : undefined);
  if (!isRecord(described))
    throw new InputError(`${where}: has no "text_config", which "${whole}" keeps its text part in`);
  const own = described === config ? WHOLES[whole] : (described.model_type ?? WHOLES[whole]);
  const tied = config.tie_word_embeddings ?? described.tie_word_embeddings;
  return {
    config: {
      ...described,
      model_type: typeof own === 'string' && Object.hasOwn(PARTS, own) ? PARTS[own]! : own,
      tie_word_embeddings: tied,
    },
    note: `the text part of "${whole}" is read; what it does without images is all that is represented`,
  };
}
