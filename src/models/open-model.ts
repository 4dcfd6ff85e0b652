/** Opens a Hugging Face folder as a canonical model. */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { InputError } from '../errors.js';
import { readJson } from '../formats/json-file.js';
import { openWeights, type TensorSource } from '../formats/safetensors.js';
import type { Adapter, ModelConfig } from './adapter.js';
import type { Architecture } from './architecture.js';
import { gptNeox } from './gpt-neox.js';
import { gpt2 } from './gpt2.js';
import { LayerMemory } from './layer-memory.js';
import { llamaFamilies } from './llama-families.js';
import { checkSplit, DEFAULT_SPLIT, type QkSplit } from './qk-split.js';
import { endsInForm, layerInForm } from './weight-forms.js';
import type { LayerWeights, Model, WeightForm } from './weights.js';

const ADAPTERS: readonly Adapter[] = [gpt2, gptNeox, ...llamaFamilies];

/**
 * @param folder a folder with `config.json` and safetensors weights
 * @throws InputError if a file is missing or damaged, the family is not known, or it cannot be split so
 */
export async function openModel(
  folder: string,
  form: WeightForm = 'reference',
  qkSplit: QkSplit = DEFAULT_SPLIT,
): Promise<Model> {
  const { adapter, config, architecture, source } = await openFolder(folder);
  checkSplit(qkSplit, architecture);
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
      layerInForm(await adapter.layer(source, architecture, layer, config), architecture, form),
    ends: async () => endsInForm(await adapter.ends(source, architecture, config), architecture, form),
    close: () => source.close(),
  };
}

/** Reads the layers of a model, one over the other. */
export interface LayerReader {
  architecture: Architecture;
  /** A layer in the weight form; it is valid until the next one is read. */
  read(layer: number): Promise<LayerWeights>;
  close(): Promise<void>;
}

/**
 * Opens a model for what needs one layer at a time: memory is taken once, not for each layer.
 * @throws InputError as {@link openModel} does
 */
export async function openLayerReader(folder: string, form: WeightForm): Promise<LayerReader> {
  const { adapter, config, architecture, source } = await openFolder(folder);
  const memory = new LayerMemory();
  return {
    architecture,
    read: async (layer) =>
      layerInForm(await adapter.layer(memory.over(source), architecture, layer, config), architecture, form),
    close: () => source.close(),
  };
}

/** What a folder holds, read as its family has it. */
async function openFolder(folder: string): Promise<{
  adapter: Adapter;
  config: ModelConfig;
  architecture: Architecture;
  source: TensorSource;
}> {
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
  return { adapter, config, architecture, source: await openWeights(folder) };
}
