/**
 * Cuts single edges in place: a reader's input lacks what one writer wrote, its normalisation taken anew; all other
 * readers see the stream as it is, and everything behind the reader is computed live (path patching of one edge).
 */

import * as tf from '@tensorflow/tfjs-core';
import { toTensor } from '../engine/tensor.js';
import { batchesByLength } from '../forward/passes.js';
import { type BlockHooks, coefficientsOf, type Hooks, type PlaceInModel } from '../forward/places.js';
import { heed } from '../heed.js';
import { normFactor } from '../interpret/logit-reader.js';
import type { Asked } from '../interpret/logit-sum.js';
import type { LongCall } from '../progress.js';
import { AT_ONCE, type Edge, embeddingsAt, logitPlace, type Web, type WebPlace } from './edges.js';
import { contrasts, type LiveRun, liveRun, readAt } from './live-run.js';
import { dot, type Reader } from './readers.js';

/** An edge that can be cut: what joins the stream is one vector a token. */
export type Cut = Pick<Edge, 'writer' | 'reader' | 'place'>;

/**
 * @param tokens of each prompt, at which readers lack it
 * @returns for each cut and prompt, logit difference before − after: what the edge is worth
 */
export async function measureCuts(
  web: Web,
  asked: readonly Asked[],
  tokens: readonly (readonly number[])[],
  cuts: readonly Cut[],
  { onProgress, signal }: LongCall = {},
): Promise<Float64Array[]> {
  const found = cuts.map(() => new Float64Array(asked.length));
  let done = 0;
  for (const batch of batchesByLength(
    asked.map(({ clean }) => clean.length),
    AT_ONCE,
  )) {
    const members = batch.map((index) => asked[index]!);
    const run = await liveRun(web.apart, members, { signal });
    const contrast = toTensor(contrasts(members, run.architecture.nVocab), [
      members.length,
      run.architecture.nVocab,
    ]) as tf.Tensor2D;
    const differences = (hooks: Hooks) => logitDifferences(web, members, hooks, contrast, signal);
    // By way of the same place, so that a cut of nothing changes nothing to the last bit.
    const before = new Map<string, Float32Array>();
    for (const [at, cut] of cuts.entries()) {
      await heed(signal);
      const place = placeOf(cut.reader);
      const added = addedBy(
        web,
        run,
        cut,
        batch.map((index) => tokens[index]!),
      );
      const key = `${place.layer} ${place.place}`;
      if (!before.has(key))
        before.set(key, await differences(adding(place, new Float32Array(added.length), run)));
      const after = await differences(adding(place, added, run));
      batch.forEach((index, p) => {
        found[at]![index] = before.get(key)![p]! - after[p]!;
      });
      done += batch.length;
      onProgress?.({ stage: 'cut', done, total: cuts.length * asked.length });
    }
    contrast.dispose();
  }
  return found;
}

async function logitDifferences(
  { apart }: Web,
  asked: readonly Asked[],
  hooks: Hooks,
  contrast: tf.Tensor2D,
  signal: AbortSignal | undefined,
): Promise<Float32Array> {
  const prompts = asked.map(({ clean }) => clean);
  const state = await apart.running.run(prompts, { hooks, positions: 'all' }, signal);
  const sums = tf.tidy(() => tf.sum(tf.mul(apart.running.logits(state), contrast), 1));
  const data = (await sums.data()) as Float32Array;
  tf.dispose([state, sums]);
  return data;
}

/** Where a reader's figure can be changed. */
function placeOf({ side, direction }: Reader): PlaceInModel {
  if (side === 'logits') return { place: 'final' };
  const { layer, kind } = direction!.component;
  return { layer, place: kind === 'qk' ? 'scores' : coefficientsOf(kind) };
}

function adding({ layer, place }: PlaceInModel, values: Float32Array, run: LiveRun): Hooks {
  const { shape } = run.values.of(layer === undefined ? { place } : { layer, place });
  const hook = {
    replace: (value: tf.Tensor) => tf.add(value, toTensor(values, [...shape])),
  };
  if (layer === undefined) return { [place]: hook };
  const blocks: BlockHooks[] = [];
  blocks[layer] = { [place]: hook };
  return { blocks };
}

/** What the cut adds at the reader's place, in the place's shape. */
function addedBy(web: Web, run: LiveRun, cut: Cut, tokens: readonly (readonly number[])[]): Float32Array {
  const { reader } = cut;
  const at = placeOf(reader);
  const { data, shape } = run.values.of(at);
  const added = new Float32Array(data.length);
  const { architecture } = run;
  run.asked.forEach(({ clean }, prompt) => {
    const place = reader.side === 'logits' ? logitPlace(web, run, prompt) : placeIn(web, cut);
    const lacking = changedInputs(web, run, prompt, place, cut.writer);
    if (reader.side === 'logits') {
      const { normalised, was } = lacking(clean.length - 1);
      normalised.forEach((value, i) => {
        added[prompt * normalised.length + i] = value - was[i]!;
      });
      return;
    }
    const { layer, kind, head = 0, rank } = reader.direction!.component;
    for (const token of tokens[prompt]!) {
      if (!run.has(layer, prompt, token)) continue;
      const moved = new Map<number, number>();
      for (const { token: read, key, weights } of reader.terms(run, prompt, token)) {
        const { readings } = lacking(read);
        const by = dot(
          weights,
          reader.axes.map((axis) => readings(axis)),
        );
        const column = kind === 'qk' ? key : 0;
        moved.set(column, (moved.get(column) ?? 0) + by);
      }
      if (kind !== 'qk') {
        const width = shape[1]!;
        const rows = shape[0]! / run.asked.length;
        const row = (prompt + 1) * rows - clean.length + token;
        added[row * width + head * rank + reader.direction!.index] = moved.get(0)!;
        continue;
      }
      const [, batch, queries, keys] = shape as [number, number, number, number];
      const row = ((head * batch + prompt) * queries + queries - clean.length + token) * keys;
      const { scoreCap: cap } = architecture;
      for (const [key, by] of moved) {
        const column = row + keys - clean.length + key;
        const score = data[column]!;
        added[column] = cap === undefined ? by : cap * Math.tanh(Math.atanh(score / cap) + by / cap) - score;
      }
    }
  });
  return added;
}

function placeIn(web: Web, { place }: Cut): WebPlace {
  return web.places.find((each) => each.place.layer === place.layer && each.place.at === place.at)!;
}

/** By token: the normalised stream without what the writer wrote, and by how much readings along axes change. */
function changedInputs(web: Web, run: LiveRun, prompt: number, place: WebPlace, name: string) {
  const { architecture } = run;
  const { stream, input } = readAt(place.place, architecture);
  const writer = web.writers.find((each) => each.name === name);
  const made = new Map<number, ReturnType<typeof at>>();
  const at = (token: number) => {
    const row = run.row(prompt, token, stream)!;
    const was = run.row(prompt, token, input)!;
    const left = Float64Array.from(row);
    if (writer) {
      const amount = writer.amount(run, prompt, token);
      for (let i = 0; i < left.length; i++) left[i]! -= amount * writer.vector[i]!;
    } else {
      const [embedding, position] = embeddingsAt(web.apart.ends, run, prompt, token);
      const lost = name === 'embedding' ? embedding : position;
      lost.forEach((value, i) => {
        left[i]! -= value;
      });
    }
    const rate = normFactor(left, architecture);
    const mean =
      architecture.norm === 'layer' ? left.reduce((sum, value) => sum + value, 0) / left.length : 0;
    const normalised = left.map((value) => rate * (value - mean));
    return {
      normalised,
      was,
      readings: (axis: number) => dot(place.axes[axis]!, normalised) - dot(place.axes[axis]!, was),
    };
  };
  return (token: number) => {
    if (!made.has(token)) made.set(token, at(token));
    return made.get(token)!;
  };
}
