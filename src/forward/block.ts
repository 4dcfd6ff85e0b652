/**
 * One block of the forward pass, and its pullback written out (docs/maths.md, "Masked forward"). The stream is one
 * tensor [batch, positions, dModel]; prompts are padded on the left, so that the last token is always the last
 * position. With a past, the stream is the last position alone.
 */
import * as tf from '@tensorflow/tfjs-core';
import {
  type AttentionTrace,
  attend,
  attendInOnePass,
  attendInOnePassPull,
  attendPull,
  attendsSideBySide,
  type Heads,
  mergeHeads,
  repeatHeads,
  repeatHeadsPull,
  type Scoring,
  splitHeads,
} from '../engine/ops/attention.js';
import { type Normalised, normalise, normalisePullOnto } from '../engine/ops/norm.js';
import { tidy } from '../engine/ops/tidy.js';
import type { BlockInput } from './block-input.js';
import {
  keysPull,
  outputOfHeads,
  outputOfHeadsPull,
  type QueryKeyTrace,
  queriesAndKeys,
  queriesPull,
} from './heads.js';
import { type MlpTrace, mlpForward, mlpPull } from './mlp.js';
import { type OutputNormTrace, outputNorm, outputNormPull } from './output-norm.js';
import type { KeysValues } from './past.js';
import { backward, changes, onward } from './places.js';
import { padPositions, rows, type Span } from './positions.js';

/** What a block's pullback needs. */
export interface BlockTrace {
  span: Span;
  /** Whether heads stayed side by side on the way forward. */
  sideBySide: boolean;
  attentionNorm: Normalised;
  attention: AttentionTrace;
  queryKey: QueryKeyTrace;
  attentionOutput: OutputNormTrace | null;
  mlpNorm: Normalised;
  mlp: MlpTrace;
  mlpOutput: OutputNormTrace | null;
}

export interface BlockResult {
  /** [batch, queries, dModel]. */
  stream: tf.Tensor3D;
  trace: BlockTrace;
  /** Keys and values of the stream's positions; they may be missing where nobody wants them. */
  own: KeysValues | null;
}

export function forwardBlock(given: tf.Tensor3D, input: BlockInput): BlockResult {
  return tidy(() => {
    const { architecture, weights, hooks } = input;
    const { nKvHeads, norm, normEpsilon, parallelResidual } = architecture;
    const span = spanOf(given, input);
    const { batch, positions, queries } = span;
    const shape: [number, number, number] = [batch, queries, given.shape[2]];
    const stream = onward(hooks.streamBefore, given);

    const attentionNorm = normalise(rows(stream), norm, normEpsilon);
    const x = onward(hooks.attentionInput, attentionNorm.y);
    const sideBySide = staySideBySide(span, input);
    const { q, k: ownKeys, trace: queryKey } = queriesAndKeys(x, span, input, sideBySide);
    const product = weights.value.apply(x);
    const { z, attention, own } = sideBySide
      ? attendTogether(q, ownKeys, product, span, input)
      : attendApart(
          q as tf.Tensor4D,
          ownKeys as tf.Tensor4D,
          onward(hooks.v, splitHeads(product, batch, nKvHeads)),
          span,
          input,
        );
    const attended = tf.reshape<tf.Rank.R3>(outputOfHeads(onward(hooks.z, z), span, input), shape);
    const written = onward(hooks.attentionWritten, attended);
    const attentionOutput = outputNorm(written, weights.norms.attention, normEpsilon);
    const kept = queries === positions ? stream : tf.slice(stream, [0, positions - queries, 0]);
    const middle = onward(
      hooks.streamBetween,
      tf.add(kept, onward(hooks.attentionOutput, attentionOutput.y)) as tf.Tensor3D,
    );

    const mlpNorm = normalise(rows(parallelResidual ? kept : middle), norm, normEpsilon);
    const { output, trace: mlp } = mlpForward(onward(hooks.mlpInput, mlpNorm.y), span, input);
    const added = onward(hooks.mlpWritten, tf.reshape<tf.Rank.R3>(output, shape));
    const mlpOutput = outputNorm(added, weights.norms.mlp, normEpsilon);
    const after = tf.add<tf.Tensor3D>(middle, onward(hooks.mlpOutput, mlpOutput.y));
    return {
      // Reshaped, so that the result is a tensor of its own even where the hook returns the one that it was given.
      stream: hooks.streamAfter ? tf.reshape<tf.Rank.R3>(onward(hooks.streamAfter, after), shape) : after,
      trace: {
        span,
        sideBySide,
        attentionNorm,
        attention,
        queryKey,
        attentionOutput: attentionOutput.trace,
        mlpNorm,
        mlp,
        mlpOutput: mlpOutput.trace,
      },
      own,
    };
  });
}

/**
 * Gives every hook of the block its gradient.
 * @param given gradient by the block's result, same shape as it
 * @param wantStream whether anything before the block, or a hook on what it reads, is to have one
 * @returns the gradient by the block's input stream; null if not asked for
 */
export function pullBlock(
  given: tf.Tensor3D,
  trace: BlockTrace,
  input: BlockInput,
  wantStream: boolean,
): tf.Tensor3D | null {
  const { stream } = tidy(() => {
    const { architecture, weights, hooks } = input;
    const { nKvHeads, norm, parallelResidual } = architecture;
    const { batch, positions, queries } = trace.span;
    const dAfter = backward(hooks.streamAfter, given);

    // MLP
    const dAdded = outputNormPull(backward(hooks.mlpOutput, dAfter), trace.mlpOutput, weights.norms.mlp);
    const dOutput = rows(backward(hooks.mlpWritten, dAdded));
    const dMlpInput = backward(hooks.mlpInput, mlpPull(dOutput, trace.mlp, trace.span, input));
    const throughMlp = (onto: tf.Tensor3D) => normalisePullOnto(dMlpInput, trace.mlpNorm, norm, onto);
    const dMiddle = backward(hooks.streamBetween, parallelResidual ? dAfter : throughMlp(dAfter));
    const dKept = parallelResidual ? throughMlp(dMiddle) : dMiddle;

    // Attention
    const dWritten = outputNormPull(
      backward(hooks.attentionOutput, dMiddle),
      trace.attentionOutput,
      weights.norms.attention,
    );
    const dHeads = rows(backward(hooks.attentionWritten, dWritten));
    const dz = backward(hooks.z, outputOfHeadsPull(dHeads, trace.span, input, trace.sideBySide));
    const { dq, dk, dv } = attentionPull(dz, trace, input, wantStream);
    const dQueryInput = queriesPull(dq, trace.queryKey, trace.span, input, wantStream);
    if (!wantStream) return { stream: null };

    const dKeyInput = keysPull(dk!, trace.queryKey, trace.span, input);
    const dValues = backward(hooks.v, repeatHeadsPull(dv!, nKvHeads));
    const dValueInput = weights.value.pull(mergeHeads(dValues));
    const dNormalised = tf.addN([
      dKeyInput,
      dValueInput,
      padPositions(dQueryInput!, batch, positions, queries),
    ]) as tf.Tensor2D;
    const dx = backward(hooks.attentionInput, dNormalised);
    const dWhole =
      positions === queries
        ? dKept
        : tf.reshape<tf.Rank.R3>(padPositions(rows(dKept), batch, positions, queries), [
            batch,
            positions,
            -1,
          ]);
    const dStream = normalisePullOnto(dx, trace.attentionNorm, norm, dWhole);
    return { stream: backward(hooks.streamBefore, dStream) };
  });
  return stream;
}

/**
 * Whether queries, keys and values stay as products leave them, since the engine attends to them in one pass and nothing
 * wants to see them in between.
 */
function staySideBySide({ positions }: Span, { architecture, weights, hooks, past }: BlockInput): boolean {
  const { nHeads, nKvHeads, queryKeyNorm, scoreCap } = architecture;
  const { q, k, v, z, scores, pattern } = hooks;
  const seen = [q, k, v, z, scores, pattern].some((hook) => hook !== undefined);
  // Where QK passes its directions and nothing turns, each head has keys of its own.
  const alike = nHeads === nKvHeads || !(changes(hooks['qk.coefficients']) && weights.qk?.keys);
  const bare = queryKeyNorm === undefined && scoreCap === undefined;
  return !past && !seen && alike && bare && attendsSideBySide(positions);
}

interface Attended {
  z: Heads;
  attention: AttentionTrace;
  own: KeysValues | null;
}

function attendTogether(q: Heads, keys: Heads, values: tf.Tensor2D, span: Span, input: BlockInput): Attended {
  const { nHeads: heads, nKvHeads: kvHeads } = input.architecture;
  const { batch } = span;
  const { z, trace } = attendInOnePass(q, keys, values, scoringOf(span, input), { batch, heads, kvHeads });
  const split = (x: Heads) => splitHeads(mergeHeads(x), batch, kvHeads);
  const own = input.keysWanted ? { keys: split(keys), values: split(values) } : null;
  return { z, attention: trace, own };
}

function attendApart(
  q: tf.Tensor4D,
  keys: tf.Tensor4D,
  values: tf.Tensor4D,
  span: Span,
  input: BlockInput,
): Attended {
  const { hooks, past, architecture } = input;
  const k = repeatHeads(afterPast(past?.keys, keys), architecture.nHeads);
  const v = repeatHeads(afterPast(past?.values, values), architecture.nHeads);
  const { z, trace } = attend(q, k, v, scoringOf(span, input), {
    scores: hooks.scores && ((scores) => onward(hooks.scores, scores)),
    weights: hooks.pattern && ((pattern) => onward(hooks.pattern, pattern)),
  });
  return { z, attention: trace, own: { keys, values } };
}

/** @param moving whether keys and values are to have gradients */
function attentionPull(
  dz: Heads,
  { span, sideBySide, attention }: BlockTrace,
  input: BlockInput,
  moving: boolean,
): { dq: Heads; dk: Heads | null; dv: Heads | null } {
  const { hooks, architecture } = input;
  const scoring = scoringOf(span, input);
  if (sideBySide) {
    const { nHeads: heads, nKvHeads: kvHeads } = architecture;
    const counts = { batch: span.batch, heads, kvHeads };
    return attendInOnePassPull(dz as tf.Tensor2D, attention, scoring, counts, moving);
  }
  return attendPull(dz as tf.Tensor4D, attention, scoring, moving ? span.positions : 0, {
    scores: hooks.scores && ((dScores) => backward(hooks.scores, dScores)),
    weights: hooks.pattern && ((dPattern) => backward(hooks.pattern, dPattern)),
  });
}

function afterPast(past: tf.Tensor4D | undefined, own: tf.Tensor4D): tf.Tensor4D {
  return past ? tf.concat([past, own], 2) : own;
}

function scoringOf(
  { positions, queries }: Span,
  { architecture, attentionBias, layer }: BlockInput,
): Scoring {
  return {
    bias: tf.slice(attentionBias, [0, 0, positions - queries, 0]),
    scale: architecture.attentionScale[layer]!,
    cap: architecture.scoreCap,
  };
}

function spanOf(stream: tf.Tensor3D, { positions: reach, lastOnly }: BlockInput): Span {
  const [batch, positions] = stream.shape;
  const queries = lastOnly ? 1 : positions;
  const plain = reach === 'last' ? queries - 1 : 0;
  return { batch, positions, queries, plain, masked: queries - plain };
}
