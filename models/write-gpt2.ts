/** Writes a trained model as Hugging Face's transformers would: `config.json` and `model.safetensors`. */
import { join } from 'node:path';
import { writeJson } from '../src/formats/atomic-file.js';
import { writeSafetensors } from '../src/formats/safetensors-write.js';
import { type Gpt2Shape, NORM_EPSILON, type Parameters } from './trainable-gpt2.js';

/** @throws InputError if the folder is missing or cannot be written */
export async function writeGpt2(folder: string, shape: Gpt2Shape, parameters: Parameters): Promise<void> {
  await writeSafetensors(join(folder, 'model.safetensors'), parameters, { format: 'pt' });
  await writeJson(join(folder, 'config.json'), {
    architectures: ['GPT2LMHeadModel'],
    model_type: 'gpt2',
    activation_function: 'gelu_new',
    layer_norm_epsilon: NORM_EPSILON,
    n_embd: shape.dModel,
    n_head: shape.heads,
    n_inner: shape.dMlp,
    n_layer: shape.layers,
    n_positions: shape.positions,
    vocab_size: shape.vocabulary,
    tie_word_embeddings: true,
    bos_token_id: null,
    eos_token_id: null,
    torch_dtype: 'float32',
  });
}
