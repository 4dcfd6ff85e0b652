/**
 * One block of the masked forward pass, and its pullback written out (docs/maths.md, "Masked forward").
 * The stream is one tensor [batch, positions, dModel]; prompts are padded on the left, so that the last
 * token is always the last position. The first `plain` positions use the plain weights, the others the
 * singular bases with masks on OV and MLP. QK masks act at every position. In the final block only the
 * last position is computed, because nothing reads the others. With a past, the stream is the last position alone.
 */
import * as tf from '@tensorflow/tfjs-core';
import {
  type AttentionTrace,
  attend,
  attendPull,
  mergeHeads,
  repeatHeads,
  repeatHeadsPull,
  splitHeads,
} from '../engine/ops/attention.js';
import { type Normalised, normalise, normalisePull } from '../engine/ops/norm.js';
import { tidy } from '../engine/ops/tidy.js';
import {
  keysPull,
  outputOfHeads,
  outputOfHeadsPull,
  type QueryKeyTrace,
  queriesAndKeys,
  queriesPull,
} from './heads.js';
import { type BlockInput, Mixer, type PerKind, Puller } from './masking.js';
import { type MlpTrace, maskedMlpForward, maskedMlpPull, plainMlpForward, plainMlpPull } from './mlp.js';
import { type OutputNormTrace, outputNorm, outputNormPull } from './output-norm.js';
import type { KeysValues } from './past.js';
import { firstOf, joinPositions, lastOf, padPositions, rows, sliceHeads } from './positions.js';

/** What a block's pullback needs. */
export interface BlockTrace {
  attentionNorm: Normalised;
  attention: AttentionTrace;
  queryKey: QueryKeyTrace;
  attentionOutput: OutputNormTrace | null;
  mlpNorm: Normalised;
  mlpOutput: OutputNormTrace | null;
  plainMlp: MlpTrace | null;
  maskedMlp: MlpTrace;
  /** Per kind y − baseline, what the mask's gradient multiplies. */
  differences: PerKind<tf.Tensor2D>;
}

export interface BlockResult {
  /** [batch, positions, dModel]; after the final block [batch, 1, dModel]. */
  stream: tf.Tensor3D;
  trace: BlockTrace;
  coefficients: PerKind<tf.Tensor2D>;
  /** Of the stream's positions. */
  own: KeysValues;
}

export function forwardBlock(stream: tf.Tensor3D, input: BlockInput): BlockResult {
  return tidy(() => {
    const { architecture, bases } = input;
    const { nHeads, norm, normEpsilon, parallelResidual, scoreCap } = architecture;
    const [batch, , d] = stream.shape;
    const shape = shapeOf(stream, input);
    const mixer = new Mixer(input);

    const attentionNorm = normalise(rows(stream), norm, normEpsilon);
    const queryInput = lastOf(attentionNorm.y, batch, shape.queries);
    const { q, k: keys, trace: queryKey } = queriesAndKeys(attentionNorm.y, queryInput, batch, input);
    const values = splitHeads(bases.value.apply(attentionNorm.y), batch, architecture.nKvHeads);
    const k = repeatHeads(afterPast(input.past?.keys, keys), nHeads);
    const v = repeatHeads(afterPast(input.past?.values, values), nHeads);
    const seen = tf.slice(input.attentionBias, [0, 0, shape.keys - shape.queries, 0]);
    const scale = architecture.attentionScale[input.layer]!;
    const { z, trace: attention } = attend(q, k, v, seen, scale, scoreCap);

    const written = joinPositions(
      batch,
      shape.plain > 0 ? bases.output.apply(mergeHeads(sliceHeads(z, 0, shape.plain))) : null,
      outputOfHeads(sliceHeads(z, shape.plain, shape.masked), mixer),
    );
    const kept = tf.slice(stream, [0, shape.keys - shape.queries, 0]);
    const attentionOutput = outputNorm(written, bases.norms.attention, normEpsilon);
    const middle = tf.add(kept, attentionOutput.y) as tf.Tensor3D;

    const mlpNorm = normalise(rows(parallelResidual ? kept : middle), norm, normEpsilon);
    const plainInput = shape.plain > 0 ? firstOf(mlpNorm.y, batch, shape.plain) : null;
    const plainMlp = plainInput && plainMlpForward(plainInput, bases, architecture, input.trace);
    const maskedMlp = maskedMlpForward(lastOf(mlpNorm.y, batch, shape.masked), mixer);
    const added = joinPositions(batch, plainMlp?.output ?? null, maskedMlp.output);
    const mlpOutput = outputNorm(added, bases.norms.mlp, normEpsilon);
    return {
      stream: tf.reshape(tf.add(middle, mlpOutput.y), [batch, shape.queries, d]),
      trace: {
        attentionNorm,
        attention,
        queryKey,
        attentionOutput: attentionOutput.trace,
        mlpNorm,
        mlpOutput: mlpOutput.trace,
        plainMlp: plainMlp?.trace ?? null,
        maskedMlp: maskedMlp.trace,
        differences: mixer.differences,
      },
      coefficients: mixer.coefficients,
      own: { keys, values },
    };
  });
}

export interface BlockGradients {
  /** By the block's input stream; null if not asked for. */
  stream: tf.Tensor3D | null;
  /** By each mask of the layer, [directions]. */
  masks: PerKind<tf.Tensor1D>;
}

/**
 * @param dStream gradient by the block's result, same shape as it
 * @param wantStream false for the first block: nothing before it is trained
 */
export function pullBlock(
  dStream: tf.Tensor3D,
  trace: BlockTrace,
  input: BlockInput,
  wantStream: boolean,
): BlockGradients {
  return tidy(() => {
    const { architecture, bases } = input;
    const { nKvHeads, norm, parallelResidual } = architecture;
    const batch = dStream.shape[0];
    const keys = trace.attentionNorm.y.shape[0] / batch;
    const queries = dStream.shape[1];
    const plain = input.positions === 'last' ? queries - 1 : 0;
    const masked = queries - plain;
    const puller = new Puller(input, trace.differences);

    // MLP
    const dAdded = rows(outputNormPull(dStream, trace.mlpOutput, bases.norms.mlp));
    const dPlain = plain > 0 ? firstOf(dAdded, batch, plain) : null;
    const dMasked = lastOf(dAdded, batch, masked);
    const dMlpInput = joinPositions(
      batch,
      dPlain && plainMlpPull(dPlain, trace.plainMlp!, bases, architecture),
      maskedMlpPull(dMasked, trace.maskedMlp, puller),
    );
    const dMlp = tf.reshape(normalisePull(rows(dMlpInput), trace.mlpNorm, norm), dStream.shape);
    const dMiddle = parallelResidual ? dStream : tf.add(dStream, dMlp);
    const dKept = tf.add(dStream, dMlp);

    // Attention
    const dWritten = rows(
      outputNormPull(dMiddle as tf.Tensor3D, trace.attentionOutput, bases.norms.attention),
    );
    const dzMasked = outputOfHeadsPull(lastOf(dWritten, batch, masked), puller, batch);
    const dz =
      plain > 0
        ? tf.concat(
            [
              splitHeads(bases.output.pull(firstOf(dWritten, batch, plain)), batch, architecture.nHeads),
              dzMasked,
            ],
            2,
          )
        : dzMasked;
    const scale = architecture.attentionScale[input.layer]!;
    const { dq, dk, dv } = attendPull(dz, trace.attention, scale, wantStream ? keys : 0);
    const dQueryInput = queriesPull(dq, trace.queryKey, puller, wantStream);
    if (!wantStream) return { stream: null, masks: puller.gradients };

    const dKeyInput = keysPull(dk!, trace.queryKey, input);
    const dValueInput = bases.value.pull(mergeHeads(repeatHeadsPull(dv!, nKvHeads)));
    const dNormalised = tf.add(
      tf.add(dKeyInput, dValueInput),
      padPositions(dQueryInput!, batch, keys, queries),
    ) as tf.Tensor2D;
    const throughAttention = tf.reshape(normalisePull(dNormalised, trace.attentionNorm, norm), [
      batch,
      keys,
      -1,
    ]);
    const past = tf.pad(dKept, [
      [0, 0],
      [keys - queries, 0],
      [0, 0],
    ]);
    return { stream: tf.add(past, throughAttention) as tf.Tensor3D, masks: puller.gradients };
  });
}

function afterPast(past: tf.Tensor4D | undefined, own: tf.Tensor4D): tf.Tensor4D {
  return past ? tf.concat([past, own], 2) : own;
}

/** Positions of the stream in this block: all `keys` are read, the last `queries` are computed, of these the last `masked` are masked. */
function shapeOf(stream: tf.Tensor3D, { layer, architecture, positions }: BlockInput) {
  const keys = stream.shape[1];
  const queries = layer === architecture.nLayers - 1 ? 1 : keys;
  const plain = positions === 'last' ? queries - 1 : 0;
  return { keys, queries, plain, masked: queries - plain };
}
