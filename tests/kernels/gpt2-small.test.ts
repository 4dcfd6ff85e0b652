import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { openSafetensors } from '../../src/formats/safetensors.js';
import { loadKernels } from '../../src/kernels/kernels.js';
import { transposed } from './helpers.js';

const folder = fileURLToPath(new URL('../../../shared/data/gpt2-small-partial/', import.meta.url));
const [D, H, HEADS] = [768, 64, 12];

/** Rows times the LayerNorm gain, then each column less its mean; columns from … from + H of a [D, cols] matrix. */
function foldedHead(weight: Float32Array, cols: number, from: number, gain: Float32Array): Float32Array {
  const out = new Float32Array(D * H);
  for (let c = 0; c < H; c++) {
    let mean = 0;
    for (let r = 0; r < D; r++) mean += (weight[r * cols + from + c]! * gain[r]!) / D;
    for (let r = 0; r < D; r++) out[r * H + c] = weight[r * cols + from + c]! * gain[r]! - mean;
  }
  return out;
}

/** One head's rows of W_O [D, D], each less its mean. */
function centredOutput(weight: Float32Array, head: number): Float32Array {
  const out = weight.slice(head * H * D, (head + 1) * H * D);
  for (let r = 0; r < H; r++) {
    const row = out.subarray(r * D, (r + 1) * D);
    const mean = row.reduce((sum, x) => sum + x, 0) / D;
    for (let c = 0; c < D; c++) row[c]! -= mean;
  }
  return out;
}

describe.skipIf(!existsSync(folder))(
  'singular values of real GPT-2 small heads (skipped where ../shared/data/gpt2-small-partial is missing)',
  async () => {
    const kernels = await loadKernels();

    it.each([4, 5, 9])('layer %i: QK and OV to 1e-4, relative', async (layer) => {
      const weights = await openSafetensors(`${folder}partial.safetensors`);
      const truth = await openSafetensors(`${folder}singular_values.safetensors`);
      const qkv = await weights.readFloat32(`h.${layer}.attn.c_attn.weight`);
      const output = await weights.readFloat32(`h.${layer}.attn.c_proj.weight`);
      const gain = await weights.readFloat32(`h.${layer}.ln_1.weight`);
      for (const kind of ['qk', 'ov']) {
        const expected = await truth.readFloat32(`${kind}_singular_values`);
        for (let head = 0; head < HEADS; head++) {
          const part = (index: number) => foldedHead(qkv, 3 * D, index * D + head * H, gain);
          const { s } =
            kind === 'qk'
              ? kernels.svdOfProduct(part(0), transposed(part(1), D, H), D, H, D)
              : kernels.svdOfProduct(part(2), centredOutput(output, head), D, H, D);
          for (let k = 0; k < H; k++) {
            const value = expected[(layer * HEADS + head) * H + k]!;
            expect(Math.abs(s[k]! - value) / value).toBeLessThan(1e-4);
          }
        }
      }
      await weights.close();
      await truth.close();
    });
  },
);
