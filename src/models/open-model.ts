/** Opens a Hugging Face folder as a canonical model. */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { InputError } from '../errors.js';
import { readJson } from '../formats/json-file.js';
import { openWeights } from '../formats/safetensors.js';
import type { Adapter, ModelConfig } from './adapter.js';
import { gptNeox } from './gpt-neox.js';
import { gpt2 } from './gpt2.js';
import { LayerMemory } from './layer-memory.js';
import { llamaFamilies } from './llama-families.js';
import { checkSplit, DEFAULT_SPLIT, type QkSplit } from './qk-split.js';
import { endsInForm, layerInForm } from './weight-forms.js';
import type { Model, WeightForm } from './weights.js';

const ADAPTERS: readonly Adapter[] = [gpt2, gptNeox, ...llamaFamilies];

export interface OpenOptions {
  /** A layer is read over the one that was read before, which is no longer valid then. */
  oneLayer?: boolean;
}

/**
 * @param folder a folder with `config.json` and safetensors weights
 * @throws InputError if a file is missing or damaged, the family is not known, or it cannot be split so
 */
export async function openModel(
  folder: string,
  form: WeightForm = 'reference',
  qkSplit: QkSplit = DEFAULT_SPLIT,
  { oneLayer = false }: OpenOptions = {},
): Promise<Model> {
  const where = join(folder, 'config.json');
  const config = (await readJson(where)) as ModelConfig;
  const adapter = ADAPTERS.find(({ family }) => family === config.model_type);
  if (!adapter)
    throw new InputError(
      `${where}: "model_type" is ${JSON.stringify(config.model_type) ?? 'missing'}; ` +
        `these can be read: ${ADAPTERS.map(({ family }) => family).join(', ')}`,
    );
  if (config.quantization_config !== undefined && config.quantization_config !== null)
    throw new InputError(
      `${where}: "quantization_config" says that the weights are quantised; save them as F32, F16 or BF16 first`,
    );
  const architecture = adapter.architecture(config, where);
  checkSplit(qkSplit, architecture);
  const source = await openWeights(folder);
  const memory = oneLayer ? new LayerMemory() : undefined;
  return {
    path: folder,
    architecture,
    form,
    qkSplit,
    hash: async () =>
      createHash('sha256')
        .update(await source.contentHash())
        .update(JSON.stringify(architecture))
        .digest('hex'),
    layer: async (layer) =>
      layerInForm(
        await adapter.layer(memory?.over(source) ?? source, architecture, layer, config),
        architecture,
        form,
      ),
    ends: async () => endsInForm(await adapter.ends(source, architecture, config), architecture, form),
    close: () => source.close(),
  };
}
