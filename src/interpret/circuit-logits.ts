/** What a circuit says after one prompt, the corrupted prompt standing in for what it leaves out. */
import type { TokenPair } from '../formats/token-pairs.js';
import type { MaskedModel } from '../forward/masked-model.js';
import { lastLogits } from '../masks/last-logits.js';
import { PreparedPairs } from '../pairs/prepared-pairs.js';
import { circuitMasks } from './open.js';

/**
 * @param running with all kinds that are masked
 * @param pair with a corrupted prompt
 * @param masks by component; components without any keep all their directions
 * @returns logits after the last token, [nVocab]
 */
export async function circuitLogits(
  running: MaskedModel,
  pair: TokenPair,
  masks: ReadonlyMap<string, Float32Array>,
  threshold: number,
): Promise<Float32Array> {
  const flat = circuitMasks(running.layout, masks, threshold);
  const prepared = await PreparedPairs.prepare(running, [pair], { replacement: 'interchange', seed: 0 });
  return (await lastLogits(prepared, [0], flat)).masked;
}
