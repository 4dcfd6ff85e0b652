/** The ends of a model in any family: where its tensors begin, and which matrix the logits come from. */
import { InputError } from '../errors.js';
import type { TensorSource } from '../formats/safetensors.js';
import { transpose } from './matrix.js';
import { readTensor } from './read-tensor.js';
import type { EndWeights } from './weights.js';

/**
 * What the transformer's tensor names begin with: `model.`, nothing in checkpoints of the bare transformer, or the way
 * to the text part of a model that reads images, too.
 * @param embedding name of the token embedding behind it
 */
export function transformerPrefix(source: TensorSource, embedding: string): string {
  // Of a tied pair only the output matrix may be stored; then some other name must do.
  const name = source.names().find((each) => each === embedding || each.endsWith(`.${embedding}`));
  if (name !== undefined) return name.slice(0, -embedding.length);
  const layer = source.names().find((each) => /(^|\.)(layers|h)\.0\./.test(each));
  return layer === undefined ? '' : layer.slice(0, layer.search(/(layers|h)\.0\./));
}

/** Names that the output matrix goes by. */
const HEADS = ['lm_head.weight', 'embed_out.weight'];

/** The name under which the output matrix is stored; undefined where it is not. */
function storedHead(source: TensorSource): string | undefined {
  return source.names().find((name) => HEADS.some((head) => name === head || name.endsWith(`.${head}`)));
}

/**
 * Holds what is stored of the two ends to what the config says of them.
 * @returns a note where the config calls them tied and two different ones are stored
 * @throws InputError if one is missing and the config does not say that the other stands for it
 */
export async function checkEnds(
  source: TensorSource,
  embeddingName: string,
  tied: boolean,
  where: string,
): Promise<string | null> {
  const embedding = transformerPrefix(source, embeddingName) + embeddingName;
  const head = storedHead(source);
  if (source.has(embedding) && head !== undefined)
    return tied && !(await equal(source, embedding, head))
      ? `config.json says that "${embedding}" is the output matrix as well, but another "${head}" is stored; that one is used, as in transformers 5 (transformers 4 uses the first)`
      : null;
  if (tied || (!source.has(embedding) && head === undefined)) return null;
  throw new InputError(
    `${source.path}: no tensor "${head === undefined ? HEADS[0] : embedding}", and "tie_word_embeddings" of ${where} does not say that another stands for it`,
  );
}

async function equal(source: TensorSource, a: string, b: string): Promise<boolean> {
  const [first, second] = [source.info(a), source.info(b)];
  if (first.dtype !== second.dtype || String(first.shape) !== String(second.shape)) return false;
  const others = source.readBytes(b);
  for await (const piece of source.readBytes(a))
    if (!Buffer.from(piece.buffer, piece.byteOffset, piece.length).equals((await others.next()).value!)) {
      await others.return(undefined);
      return false;
    }
  return true;
}

/**
 * Embedding and output matrix. One that is stored counts, whatever `tie_word_embeddings` says (as in transformers 5);
 * where only one of the two is, it is both: `openModel` has seen to it that the config allows that.
 */
export async function readUnembed(
  source: TensorSource,
  { embedding, nVocab, dModel }: { embedding: string; nVocab: number; dModel: number },
): Promise<Pick<EndWeights, 'embed' | 'unembed'>> {
  const head = storedHead(source);
  const stored = source.has(embedding) ? embedding : (head ?? embedding);
  const embed = await readTensor(source, stored, [nVocab, dModel]);
  const unembed =
    head === undefined || head === stored ? embed : await readTensor(source, head, [nVocab, dModel]);
  return {
    embed,
    unembed: { rows: dModel, cols: nVocab, weight: transpose(unembed, nVocab, dModel), bias: null },
  };
}
