/**
 * One block of the forward pass, and its pullback written out (docs/maths.md, "Masked forward"). The stream is one
 * tensor [batch, positions, dModel]; prompts are padded on the left, so that the last token is always the last
 * position. With a past, the stream is the positions after it.
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
import { joinPositions, padPositions, rows, type Span, sliceHeads } from './positions.js';

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
  /** Keys and values of all positions that queries see; null where nobody wants them. */
  seen: KeysValues<Heads> | null;
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
    const sideBySide = staySideBySide(input);
    const { q, k: ownKeys, trace: queryKey } = queriesAndKeys(x, span, input, sideBySide);
    const product = weights.value.apply(x);
    const { z, attention, seen } = sideBySide
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
      seen,
    };
  });
}

/** Gradients by what a block reads; null where not asked for. */
export interface BlockGradients {
  stream: tf.Tensor3D | null;
  past: KeysValues<Heads> | null;
}

/**
 * Gives every hook of the block its gradient.
 * @param given gradient by the block's result, same shape as it
 * @param wantStream whether anything before the block, or a hook on what it reads, is to have one
 * @param elsewhere gradient by the block's keys and values from passes that had them as their past
 */
export function pullBlock(
  given: tf.Tensor3D,
  trace: BlockTrace,
  input: BlockInput,
  wantStream: boolean,
  elsewhere: KeysValues<Heads> | null = null,
): BlockGradients {
  return tidy(() => {
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
    if (!wantStream) return { stream: null, past: null };

    const [pastKeys, ownKeys] = apartFromPast(repeatHeadsPull(dk!, keyHeads(input)), trace.span, input);
    const [pastValues, ownValues] = apartFromPast(repeatHeadsPull(dv!, nKvHeads), trace.span, input);
    const dKeyInput = keysPull(withMore(ownKeys, elsewhere?.keys), trace.queryKey, trace.span, input);
    const dValues = backward(hooks.v, withMore(ownValues, elsewhere?.values));
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
    const past = pastKeys && pastValues && { keys: pastKeys, values: pastValues };
    return { stream: backward(hooks.streamBefore, dStream), past };
  });
}

/**
 * Whether queries, keys and values stay as products leave them, since the engine attends to them in one pass and nothing
 * wants to see them in between.
 */
function staySideBySide({ architecture, weights, hooks, past, attentionBias }: BlockInput): boolean {
  const { nHeads, nKvHeads, queryKeyNorm, scoreCap } = architecture;
  const { q, k, v, z, scores, pattern } = hooks;
  const seen = [q, k, v, z, scores, pattern].some((hook) => hook !== undefined);
  // Where QK passes its directions and nothing turns, each head has keys of its own.
  const alike = nHeads === nKvHeads || !(changes(hooks['qk.coefficients']) && weights.qk?.keys);
  const bare = queryKeyNorm === undefined && scoreCap === undefined;
  // A past that is kept on the host comes with its heads apart.
  const lies = past === null || past.keys.rank === 2;
  return lies && !seen && alike && bare && attendsSideBySide(attentionBias.shape[3]);
}

interface Attended {
  z: Heads;
  attention: AttentionTrace;
  seen: KeysValues<Heads> | null;
}

function attendTogether(q: Heads, keys: Heads, values: tf.Tensor2D, span: Span, input: BlockInput): Attended {
  const { nHeads: heads, nKvHeads: kvHeads } = input.architecture;
  const { batch } = span;
  const [k, v] = [afterPast(input.past?.keys, keys, batch), afterPast(input.past?.values, values, batch)];
  const { z, trace } = attendInOnePass(q, k, v, scoringOf(span, input), { batch, heads, kvHeads });
  return { z, attention: trace, seen: input.keysWanted ? { keys: tf.clone(k), values: tf.clone(v) } : null };
}

function attendApart(
  q: tf.Tensor4D,
  keys: tf.Tensor4D,
  values: tf.Tensor4D,
  span: Span,
  input: BlockInput,
): Attended {
  const { hooks, past, architecture, keysWanted } = input;
  const { batch } = span;
  const seen = { keys: afterPast(past?.keys, keys, batch), values: afterPast(past?.values, values, batch) };
  const k = repeatHeads(seen.keys as tf.Tensor4D, architecture.nHeads);
  const v = repeatHeads(seen.values as tf.Tensor4D, architecture.nHeads);
  const { z, trace } = attend(q, k, v, scoringOf(span, input), {
    scores: hooks.scores && ((scores) => onward(hooks.scores, scores)),
    weights: hooks.pattern && ((pattern) => onward(hooks.pattern, pattern)),
  });
  return { z, attention: trace, seen: keysWanted ? seen : null };
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
  const all = input.pastMoves ? input.attentionBias.shape[3] : span.positions;
  return attendPull(dz as tf.Tensor4D, attention, scoring, moving ? all : 0, {
    scores: hooks.scores && ((dScores) => backward(hooks.scores, dScores)),
    weights: hooks.pattern && ((dPattern) => backward(hooks.pattern, dPattern)),
  });
}

function afterPast(past: Heads | undefined, own: Heads, batch: number): Heads {
  if (!past) return own;
  if (own.rank === 2) return joinPositions(batch, past as tf.Tensor2D, own as tf.Tensor2D);
  return tf.concat([layLike(past, own, batch) as tf.Tensor4D, own as tf.Tensor4D], 2);
}

/** Gradients by keys or values of the past, null if it has none, and by the stream's own. */
function apartFromPast(
  gradient: Heads,
  { batch, positions }: Span,
  { pastMoves }: BlockInput,
): [Heads | null, Heads] {
  const all = gradient.rank === 2 ? gradient.shape[0] / batch : gradient.shape[2]!;
  if (all === positions) return [null, gradient];
  const own = sliceHeads(gradient, batch, all - positions, positions);
  return [pastMoves ? sliceHeads(gradient, batch, 0, all - positions) : null, own];
}

/** The sum of two gradients, as the first one lies. */
function withMore(gradient: Heads, more: Heads | undefined): Heads {
  return more ? (tf.add(gradient, layLike(more, gradient, 1)) as Heads) : gradient;
}

/** The same, with heads side by side, or apart, as another's. */
function layLike(x: Heads, other: Heads, batch: number): Heads {
  if (other.rank === 2) return mergeHeads(x);
  return x.rank === 2 ? splitHeads(x as tf.Tensor2D, batch, (other as tf.Tensor4D).shape[0]) : x;
}

/** Heads of keys: each query has its own where QK passes its directions and nothing turns. */
function keyHeads({ architecture, weights, hooks }: BlockInput): number {
  const own = changes(hooks['qk.coefficients']) && weights.qk!.keys;
  return own ? architecture.nHeads : architecture.nKvHeads;
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
