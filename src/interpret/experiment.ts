/**
 * Interventions with their controls: chosen directions are changed in place, and beside it as if only their direct way
 * to the logits mattered; so are as many directions outside the circuit, and random ones in which as much is written
 * (docs/reading.md, "Interventions").
 */

import * as tf from '@tensorflow/tfjs-core';
import { toTensor } from '../engine/tensor.js';
import type { TokenPair } from '../formats/token-pairs.js';
import { type Intervention, intervene } from '../forward/interventions.js';
import type { Component } from '../models/components.js';
import type { LongCall } from '../progress.js';
import { Random } from '../random.js';
import { type Change, changed, isRead, readTargets, type Target, type TargetRequest } from './change.js';
import { type Coefficients, type Direction, directionName, readCoefficients } from './coefficients.js';
import { directWays } from './direct-way.js';
import { drawOutside, randomMixtures } from './direction-sets.js';
import { type Condition, type Outcome, outcomes } from './outcomes.js';
import { basisOf, centred, partIn, projectOut } from './project-out.js';
import type { TakenApart } from './taken-apart.js';
import { writtenVectors } from './written-vectors.js';

export interface Experiment extends TargetRequest {
  chosen: readonly Direction[];
  /** Names of directions that are no controls: the circuit's. */
  excluded: ReadonlySet<string>;
  change: Change;
  scales: readonly number[];
  /** Draws of each control. */
  draws: number;
  seed: number;
  /** Prompts that have nothing to do with the others: what else is damaged. */
  unrelated: readonly TokenPair[];
}

export type SetName = 'chosen' | 'random' | 'outside';
/** `direct`: what is written goes to the logits and nowhere else. */
export type Way = 'in place' | 'direct';

export interface Measured {
  set: SetName;
  draw: number;
  way: Way;
  scale: number;
  outcome: Outcome;
}

export interface ExperimentResult {
  before: Outcome;
  after: Measured[];
  /** Likewise on unrelated prompts; null where there are none. */
  unrelated: { before: Outcome; after: Measured[] } | null;
}

/** Directions that are changed alike. */
interface DirectionSet {
  name: SetName;
  draw: number;
  /** Whose coefficients and targets decide how much is written. */
  directions: readonly Direction[];
  /** Where they stand among all that are read. */
  at: number[];
  /** What is written in, by what it takes of its component's v_k; null: the directions themselves. */
  mixtures: Float64Array[] | null;
}

export async function runExperiment(
  apart: TakenApart,
  experiment: Experiment,
  call: LongCall = {},
): Promise<ExperimentResult> {
  const { running } = apart;
  const { change, pairs, tokens, unrelated } = experiment;
  const sets = setsOf(apart, experiment);
  const read = distinct(sets.flatMap(({ directions }) => directions));
  const places = new Map(read.map((direction, at) => [directionName(direction), at]));
  for (const set of sets) set.at = set.directions.map((direction) => places.get(directionName(direction))!);

  const own = await readCoefficients(
    running,
    pairs.map(({ clean }) => clean),
    read,
    tokens,
    call,
  );
  const target = await readTargets(running, change, experiment, read, call);
  const main = await measure(apart, experiment, { pairs, tokens, own, target }, sets, read.length, call);
  if (unrelated.length === 0) return { ...main, unrelated: null };

  // Elsewhere the same goes in on average, at the last token.
  const means = meanTargets(pairs, tokens, target, read.length);
  const lastTokens = unrelated.map(({ clean }) => [clean.length - 1]);
  const theirs = {
    pairs: unrelated,
    tokens: lastTokens,
    own: await readCoefficients(
      running,
      unrelated.map(({ clean }) => clean),
      read,
      lastTokens,
      call,
    ),
    target: isRead(change) ? (_prompt: number, _token: number, at: number) => means[at]! : target,
  };
  return { ...main, unrelated: await measure(apart, experiment, theirs, sets, read.length, call) };
}

function setsOf({ running }: TakenApart, { chosen, excluded, draws, seed }: Experiment): DirectionSet[] {
  const { layout, sigma } = running;
  const outside = new Set([...excluded, ...chosen.map(directionName)]);
  const sigmaOf = (component: Component) => {
    const { start, length } = layout.of(component);
    return sigma.subarray(start, start + length);
  };
  const sets: DirectionSet[] = [{ name: 'chosen', draw: 0, directions: chosen, at: [], mixtures: null }];
  for (let draw = 0; draw < draws; draw++) {
    const random = new Random(seed).fork(`control ${draw}`);
    const mixtures = randomMixtures(chosen, sigmaOf, random.fork('random'));
    sets.push({ name: 'random', draw, directions: chosen, at: [], mixtures });
    const drawn = drawOutside(chosen, layout.components, outside, random.fork('outside'));
    if (drawn) sets.push({ name: 'outside', draw, directions: drawn, at: [], mixtures: null });
  }
  return sets;
}

function distinct(directions: readonly Direction[]): Direction[] {
  return [...new Map(directions.map((direction) => [directionName(direction), direction])).values()];
}

function meanTargets(
  pairs: readonly TokenPair[],
  tokens: readonly (readonly number[])[],
  target: Target,
  n: number,
): Float64Array {
  const means = new Float64Array(n);
  for (let at = 0; at < n; at++) {
    const values = pairs.flatMap((_, p) => tokens[p]!.map((_, t) => target(p, t, at)));
    means[at] = values.reduce((sum, value) => sum + value, 0) / values.length;
  }
  return means;
}

/** What is known of the prompts that are run. */
interface Ready {
  pairs: readonly TokenPair[];
  tokens: readonly (readonly number[])[];
  own: Coefficients;
  target: Target;
}

async function measure(
  apart: TakenApart,
  { change, scales }: Experiment,
  ready: Ready,
  sets: readonly DirectionSet[],
  width: number,
  call: LongCall,
): Promise<{ before: Outcome; after: Measured[] }> {
  const { pairs, tokens, own, target } = ready;
  const { nLayers, dModel, norm } = apart.model.architecture;
  const projects = change.kind === 'project';
  const vectors = projects ? await writtenVectors(apart.decomposition, sets, dModel) : [];
  const basesOf = (of: (vector: Float64Array) => Float64Array) =>
    vectors.map((own, which) => basisOf(sets[which]!.directions, (own as Float64Array[]).map(of)));
  const bases = basesOf((vector) => vector);
  // The last states have no mean.
  const lastBases = norm === 'layer' ? basesOf(centred) : bases;
  const prompts = pairs.map(({ clean }) => clean);
  const ways = projects ? [] : await directWays(apart, prompts, sets, call);
  const measured: Omit<Measured, 'outcome'>[] = [];
  const conditions: Condition[] = [];
  for (const scale of scales)
    sets.forEach((set, which) => {
      const { name, draw } = set;
      if (projects) {
        const [basis, last] = [bases[which]!, lastBases[which]!];
        measured.push({ set: name, draw, way: 'in place', scale }, { set: name, draw, way: 'direct', scale });
        conditions.push(
          {
            pass: (batch, prompts) => {
              const chosen = batch.map((index) => tokens[index]!);
              return { hooks: projectOut(basis, nLayers, prompts, chosen, scale) };
            },
          },
          {
            final: (batch, states) => {
              const rows = Float32Array.from(batch, (index) => (lastOf(ready, index) === -1 ? 0 : scale));
              const lost = tf.mul(partIn(last.vectors, states), toTensor(rows, [batch.length, 1]));
              return tf.sub(states, lost);
            },
          },
        );
        return;
      }
      /** By how much a change moves a coefficient of the unchanged run. */
      const moved = (prompt: number, token: number, k: number) => {
        const before = own[prompt]![token * width + set.at[k]!]!;
        return changed(change, scale, before, target(prompt, token, set.at[k]!)) - before;
      };
      measured.push({ set: name, draw, way: 'in place', scale });
      conditions.push({
        pass: (batch, prompts) =>
          intervene(apart.running, prompts, inPlace(apart, ready, set, change, scale, moved, batch)),
      });
      const way = ways[which]!;
      if (!way) return;
      measured.push({ set: name, draw, way: 'direct', scale });
      conditions.push({
        final: (batch, states) => {
          const added = way(batch, (prompt, k) => {
            const last = lastOf(ready, prompt);
            return last === -1 ? 0 : moved(prompt, last, k);
          });
          return tf.add(states, toTensor(added, states.shape));
        },
      });
    });
  const { before, after } = await outcomes(apart.running, pairs, conditions, call);
  return { before, after: after.map((outcome, at) => ({ ...measured[at]!, outcome })) };
}

/** Where a prompt's last token is among the chosen ones, or -1: what earlier ones write has no direct way to the logits. */
function lastOf({ pairs, tokens }: Ready, prompt: number): number {
  return tokens[prompt]!.indexOf(pairs[prompt]!.clean.length - 1);
}

/** The interventions of one batch, one for each component. */
function inPlace(
  { running }: TakenApart,
  { pairs, tokens, target }: Ready,
  { directions, at, mixtures }: DirectionSet,
  change: Change,
  scale: number,
  moved: (prompt: number, token: number, k: number) => number,
  batch: readonly number[],
): Intervention[] {
  const chosenTokens = batch.map((index) => tokens[index]!);
  const lastOnly = batch.every((index) => {
    const { length } = pairs[index]!.clean;
    return tokens[index]!.length === 1 && tokens[index]![0] === length - 1;
  });
  const byComponent = new Map<string, number[]>();
  directions.forEach(({ component: { name } }, k) => {
    byComponent.set(name, [...(byComponent.get(name) ?? []), k]);
  });
  return [...byComponent].map(([component, members]) => {
    const { start } = running.layout.of(directions[members[0]!]!.component);
    const perUnit = (index: number) => {
      const sigma = running.sigma[start + index]!;
      return sigma > 0 ? 1 / sigma : 0;
    };
    // Where the last tokens alone are meant, passes are shorter.
    const common = { component, tokens: lastOnly ? ('last' as const) : chosenTokens };
    /** Which of the prompt's chosen tokens. */
    const placeOf = (prompt: number, token: number) => chosenTokens[prompt]!.indexOf(token);
    if (mixtures) {
      const add = (prompt: number, token: number, index: number) =>
        perUnit(index) *
        members.reduce(
          (sum, k) => sum + moved(batch[prompt]!, placeOf(prompt, token), k) * mixtures[k]![index]!,
          0,
        );
      return { ...common, change: { add } };
    }
    const indices = members.map((k) => directions[k]!.index);
    const chosen = { ...common, directions: indices };
    if (change.kind === 'scale' || change.kind === 'ablate')
      return { ...chosen, change: { scale: change.kind === 'scale' ? scale : 0 } };
    if (change.kind === 'add')
      return { ...chosen, change: { add: (_p, _t, index) => scale * change.value * perUnit(index) } };
    const set = (prompt: number, token: number, index: number) => {
      const k = members[indices.indexOf(index)]!;
      const goal = target(batch[prompt]!, placeOf(prompt, token), at[k]!);
      return changed(change, scale, 0, goal) * perUnit(index);
    };
    return { ...chosen, change: { set } };
  });
}
