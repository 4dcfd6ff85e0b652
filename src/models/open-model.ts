/** Opens a Hugging Face folder as a canonical model. */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { InputError } from '../errors.js';
import { describeJson, readJson } from '../formats/json-file.js';
import { openWeights, type TensorSource } from '../formats/safetensors.js';
import { canBeRead } from '../formats/safetensors-header.js';
import type { Adapter, ModelConfig } from './adapter.js';
import type { Architecture } from './architecture.js';
import { ConfigFields } from './config-fields.js';
import { checkEnds } from './ends.js';
import { gptNeo } from './gpt-neo.js';
import { gptNeox } from './gpt-neox.js';
import { gpt2 } from './gpt2.js';
import { LayerMemory } from './layer-memory.js';
import { llamaFamilies } from './llama-families.js';
import { opt } from './opt.js';
import { checkSplit, DEFAULT_SPLIT, type QkSplit } from './qk-split.js';
import { REFUSED } from './refused-families.js';
import { textPart } from './text-part.js';
import { endsInForm, layerInForm } from './weight-forms.js';
import type { LayerWeights, Model, WeightForm } from './weights.js';

const ADAPTERS: readonly Adapter[] = [gpt2, gptNeo, gptNeox, opt, ...llamaFamilies];

/**
 * @param folder a folder with `config.json` and safetensors weights
 * @throws InputError if a file is missing or damaged, the family is not known, or it cannot be split so
 */
export async function openModel(
  folder: string,
  form: WeightForm = 'reference',
  qkSplit: QkSplit = DEFAULT_SPLIT,
): Promise<Model> {
  const { adapter, config, architecture, source, notes } = await openFolder(folder);
  try {
    checkSplit(qkSplit, architecture);
  } catch (error) {
    await source.close();
    throw error;
  }
  return {
    path: folder,
    architecture,
    form,
    qkSplit,
    notes,
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
  notes: string[];
}> {
  const where = join(folder, 'config.json');
  const { config, note } = textPart((await readJson(where)) as ModelConfig, where);
  const adapter = adapterOf(config, where);
  if (config.quantization_config !== undefined && config.quantization_config !== null)
    throw new InputError(
      `${where}: "quantization_config" says that the weights are quantised; save them as F32, F16 or BF16 first`,
    );
  const architecture = adapter.architecture(config, where);
  const source = await openWeights(folder);
  try {
    const tied = new ConfigFields(config, where).flag('tie_word_embeddings', adapter.tiedByDefault);
    const ends = await checkEnds(source, adapter.embedding, tied, where);
    const notes = [note, ends, unreadNote(source)].filter((each) => each !== null);
    return { adapter, config, architecture, source, notes };
  } catch (error) {
    await source.close();
    throw error;
  }
}

/** @throws InputError saying which families there are, and of those that are often asked for why this is none */
function adapterOf({ model_type: type }: ModelConfig, where: string): Adapter {
  const adapter = ADAPTERS.find(({ family }) => family === type);
  if (adapter) return adapter;
  const why = typeof type === 'string' && Object.hasOwn(REFUSED, type) ? `: ${REFUSED[type]}` : '';
  throw new InputError(
    `${where}: "model_type" is ${type === undefined ? 'missing' : describeJson(type).replace(/^the string /, '')}${why}; ` +
      `these can be read: ${ADAPTERS.map(({ family }) => family).join(', ')}`,
  );
}

/** Tensors that no layer needs may be of any dtype; what they are is said. */
function unreadNote(source: TensorSource): string | null {
  const odd = source.names().filter((name) => !canBeRead(source.info(name).dtype));
  if (odd.length === 0) return null;
  const [first] = odd;
  const others = odd.length > 1 ? ` and ${odd.length - 1} more are` : ' is';
  return `tensor "${first}" (${source.info(first!).dtype})${others} of a dtype that is not read; unless a layer needs one, that changes nothing`;
}
