/** What stands for a token in the stream where directions are read by tokens. */
import * as tf from '@tensorflow/tfjs-core';
import type { Engine } from '../engine/engine.js';
import { toTensor } from '../engine/tensor.js';
import { PlaceReader } from '../forward/places.js';
import { Transformer } from '../forward/transformer.js';
import type { EndWeights, Model } from '../models/weights.js';

/** Tokens in one pass. */
const AT_ONCE = 2048;

/** E_t + MLP_0(norm(E_t)) of every token, [nVocab, dModel]: attention left out, and positions. */
export async function embeddingsThroughMlp(
  engine: Engine,
  model: Model,
  { embed }: Pick<EndWeights, 'embed'>,
): Promise<Float32Array> {
  const { dModel: d, nVocab } = model.architecture;
  const layer = await Transformer.load(engine, model, { depth: 1, logits: false });
  const out = new Float32Array(embed.length);
  for (let from = 0; from < nVocab; from += AT_ONCE) {
    const count = Math.min(AT_ONCE, nVocab - from);
    const own = embed.slice(from * d, (from + count) * d);
    const reader = new PlaceReader([{ layer: 0, place: 'streamAfter' }]);
    const prompts = Array.from({ length: count }, (_, at) => Int32Array.of(from + at));
    const hooks = {
      blocks: [
        {
          ...reader.hooks.blocks![0],
          streamBefore: { replace: () => toTensor(own, [count, 1, d]) },
          attentionOutput: { replace: (value: tf.Tensor) => tf.zerosLike(value) },
        },
      ],
    };
    // Running the generator to its end runs the block.
    for (const _ of layer.layersOf(prompts, { hooks, ends: 'all' }));
    out.set(await reader.value(0, 'streamAfter').data(), from * d);
    reader.dispose();
  }
  layer.dispose();
  return out;
}
