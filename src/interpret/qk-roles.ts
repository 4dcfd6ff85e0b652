/** What QK directions look for: scores by class of key, by key token and by offset (docs/reading.md, "Roles of QK directions"). */

import type { TokenPair } from '../formats/token-pairs.js';
import { batchesByLength } from '../forward/passes.js';
import { heed } from '../heed.js';
import type { LongCall } from '../progress.js';
import { mannWhitney } from '../statistics/mann-whitney.js';
import { benjaminiHochberg } from '../statistics/multiple-testing.js';
import { mean } from '../statistics/summary.js';
import type { Direction } from './coefficients.js';
import { type Mean, meanOf } from './mean-of.js';
import { placeValues } from './place-values.js';
import { type QueryScores, ScoreSum } from './score-sum.js';
import { softmax, withoutPart } from './softmax.js';
import type { TakenApart } from './taken-apart.js';

/** Keys of one class, in the eyes of one direction. */
export interface ClassRole {
  class: string;
  /** What it adds to their score, above its mean over all keys of the query; over prompts. */
  score: Mean;
  /** Of the queries that see such keys, the share whose highest key is one; and what chance would give. */
  top: number;
  chance: number;
  /** Prompts' means over such keys against their means over the others; null where there are no others. */
  separation: Separation | null;
  /** Share of the head's attention that such keys get: in full, from this direction alone, and without it. */
  attention: { full: number; alone: number; without: number };
}

export interface Separation {
  /** Rank-biserial correlation: 1 where every prompt's mean is above all others', −1 where below. */
  effect: number;
  p: number;
  /** Adjusted by Benjamini and Hochberg over all directions and classes that were tested. */
  q: number;
}

export interface QkRole {
  queries: number;
  /** The best separated first; of those alike, the largest score. */
  classes: ClassRole[];
  /** Tokens with the highest mean score, above the queries' means, and with the lowest. */
  highest: KeyToken[];
  lowest: KeyToken[];
  /** Mean score above the queries' means by how far back the key is, from 0. */
  offsets: { offset: number; n: number; score: number }[];
  /**
   * What it adds to the score of the mean key (without first tokens) by how far back that is, from 0, with its mean
   * coefficient; null where positions do not turn.
   */
  curve: number[] | null;
}

export interface KeyToken {
  id: number;
  n: number;
  score: number;
}

export interface RoleOptions extends LongCall {
  level?: number;
  /** Key tokens at each end. */
  top?: number;
  /** Points of the curve. */
  offsets?: number;
  /** Most positions, padding included, in one pass. */
  atOnce?: number;
}

/**
 * @param directions of QK
 * @param queries for each pair, tokens of its clean prompt that look
 * @param classes for each pair, by token (`tokenClasses`); a query's own token counts as `itself`
 * @returns a role for each direction
 */
export async function qkRoles(
  apart: TakenApart,
  pairs: readonly TokenPair[],
  directions: readonly Direction[],
  queries: readonly (readonly number[])[],
  classes: readonly (readonly string[])[],
  { level = 0.95, top = 10, offsets = 64, atOnce = 1024, onProgress, signal }: RoleOptions = {},
): Promise<QkRole[]> {
  if (directions.length === 0) return [];
  const { running } = apart;
  const { architecture } = running;
  const names = [...new Set([...classes.flat(), 'itself'])].sort();
  const sums = directions.map(() => new RoleSums(pairs.length, names));
  const heads = new Map<string, Head>();
  directions.forEach(({ component: { name } }, at) => {
    if (!heads.has(name)) heads.set(name, { members: [], sum: null, keys: new MeanKey() });
    heads.get(name)!.members.push(at);
  });
  const layers = [...new Set(directions.map(({ component }) => component.layer))];
  const seen = pairs.map(({ clean }, index) =>
    queries[index]!.map((query) => seenFrom(clean, classes[index]!, query)),
  );
  const places = layers.flatMap((layer) => ScoreSum.places(layer, architecture));
  let done = 0;
  for (const batch of batchesByLength(
    pairs.map(({ clean }) => clean.length),
    atOnce,
  )) {
    await heed(signal);
    const prompts = batch.map((index) => pairs[index]!.clean);
    const values = await placeValues(running, prompts, places, {
      positions: 'all',
      ends: 'all',
      signal,
    });
    for (const layer of layers) {
      await heed(signal);
      for (const sum of await ScoreSum.onEngine(running, layer, values)) {
        const head = heads.get(sum.component.name);
        if (!head) continue;
        const { members, keys } = head;
        head.sum = sum;
        const among = members.map((at) => directions[at]!.index);
        batch.forEach((index, p) => {
          if (sum.turns)
            for (let key = 1; key < prompts[p]!.length; key++) keys.add(sum.keyBack(values, p, key));
          queries[index]!.forEach((query, q) => {
            const scores = sum.of(values, p, query, among);
            if (sum.turns) keys.look(sum.coefficients(values, p, query));
            const { scoreCap } = architecture;
            for (const at of members)
              sums[at]!.add(index, directions[at]!.index, sum.rank, seen[index]![q]!, scores, scoreCap);
          });
        });
      }
    }
    done += batch.length;
    onProgress?.({ stage: 'roles', done, total: pairs.length });
  }
  const curves = new Map<number, number[]>();
  for (const { members, sum, keys } of heads.values())
    if (sum?.turns)
      for (const at of members)
        curves.set(at, [...sum.curve(directions[at]!.index, keys.coefficients(), keys.mean(), offsets)]);
  const roles = sums.map((own, at) => ({ ...own.role(level, top), curve: curves.get(at) ?? null }));
  const tested = roles.flatMap(({ classes }) => classes.flatMap(({ separation }) => separation ?? []));
  benjaminiHochberg(tested.map(({ p }) => p)).forEach((q, at) => {
    tested[at]!.q = q;
  });
  return roles;
}

interface Head {
  /** Places of its directions in the list. */
  members: number[];
  /** Of the last batch. */
  sum: ScoreSum | null;
  keys: MeanKey;
}

/** The mean key of a head, and the mean coefficients of its queries. */
class MeanKey {
  #key: Float64Array | null = null;
  #coefficients: Float64Array | null = null;
  #keys = 0;
  #queries = 0;

  add(key: Float64Array): void {
    this.#key ??= new Float64Array(key.length);
    for (let i = 0; i < key.length; i++) this.#key[i]! += key[i]!;
    this.#keys++;
  }

  look(coefficients: Float64Array): void {
    this.#coefficients ??= new Float64Array(coefficients.length);
    for (let i = 0; i < coefficients.length; i++) this.#coefficients[i]! += coefficients[i]!;
    this.#queries++;
  }

  mean(): Float64Array {
    return this.#key!.map((value) => value / this.#keys);
  }

  coefficients(): Float64Array {
    return this.#coefficients!.map((value) => value / this.#queries);
  }
}

/** What one query sees. */
interface Seen {
  ids: Int32Array;
  /** Keys of each class, and the class of each key. */
  members: ReadonlyMap<string, readonly number[]>;
  classes: readonly string[];
}

function seenFrom(clean: Int32Array, ofTokens: readonly string[], query: number): Seen {
  const classes = ofTokens.slice(0, query).concat('itself');
  const members = new Map<string, number[]>(classes.map((name) => [name, []]));
  classes.forEach((name, key) => members.get(name)!.push(key));
  return { ids: clean.subarray(0, query + 1), members, classes };
}

/** Running sums of one direction. */
class RoleSums {
  readonly #classes: Map<string, ClassSums>;
  readonly #tokens = new Map<number, { n: number; sum: number }>();
  readonly #offsets: { n: number; sum: number }[] = [];
  #queries = 0;

  constructor(prompts: number, names: readonly string[]) {
    this.#classes = new Map(names.map((name) => [name, new ClassSums(prompts)]));
  }

  add(
    prompt: number,
    k: number,
    rank: number,
    { ids, members, classes }: Seen,
    scores: QueryScores,
    cap: number | undefined,
  ): void {
    const own = new Float64Array(ids.length);
    for (let key = 0; key < own.length; key++) own[key] = scores.contributions[key * rank + k]!;
    const centre = mean(own)!;
    const centred = own.map((value) => value - centre);
    const alone = softmax(own);
    const without = softmax(own.map((value, key) => withoutPart(scores.scores[key]!, value, cap)));
    const highest = own.indexOf(Math.max(...own));
    this.#queries++;
    ids.forEach((id, key) => {
      const token = this.#tokens.get(id) ?? { n: 0, sum: 0 };
      token.n++;
      token.sum += centred[key]!;
      this.#tokens.set(id, token);
      this.#offsets[ids.length - 1 - key] ??= { n: 0, sum: 0 };
      const offset = this.#offsets[ids.length - 1 - key]!;
      offset.n++;
      offset.sum += centred[key]!;
    });
    for (const [name, keys] of members) {
      const total = (values: Float64Array) => keys.reduce((sum, key) => sum + values[key]!, 0);
      const sums = this.#classes.get(name)!;
      sums.count(prompt, total(centred) / keys.length, -total(centred) / (ids.length - keys.length));
      sums.top += Number(classes[highest] === name);
      sums.chance += keys.length / ids.length;
      sums.full += total(scores.pattern);
      sums.alone += total(alone);
      sums.without += total(without);
    }
  }

  role(level: number, top: number): Omit<QkRole, 'curve'> {
    const tokens = [...this.#tokens].map(([id, { n, sum }]) => ({ id, n, score: sum / n }));
    const ends = (sign: 1 | -1) => [...tokens].sort((a, b) => sign * (b.score - a.score)).slice(0, top);
    return {
      queries: this.#queries,
      classes: [...this.#classes]
        .flatMap(([name, sums]) => (sums.queries > 0 ? [sums.role(name, level)] : []))
        .sort(
          (a, b) =>
            Math.abs(b.separation?.effect ?? 0) - Math.abs(a.separation?.effect ?? 0) ||
            Math.abs(b.score.mean) - Math.abs(a.score.mean),
        ),
      highest: ends(1),
      lowest: ends(-1),
      offsets: this.#offsets.flatMap((sums, offset) =>
        sums ? [{ offset, n: sums.n, score: sums.sum / sums.n }] : [],
      ),
    };
  }
}

class ClassSums {
  queries = 0;
  top = 0;
  chance = 0;
  full = 0;
  alone = 0;
  without = 0;
  /** By prompt: sums over queries of the mean over such keys, and over the others. */
  readonly #own: Float64Array;
  readonly #others: Float64Array;
  readonly #counts: Float64Array;

  constructor(prompts: number) {
    this.#own = new Float64Array(prompts);
    this.#others = new Float64Array(prompts);
    this.#counts = new Float64Array(prompts);
  }

  count(prompt: number, own: number, others: number): void {
    this.queries++;
    this.#own[prompt]! += own;
    this.#others[prompt]! += others;
    this.#counts[prompt]! += 1;
  }

  role(name: string, level: number): ClassRole {
    const prompts = [...this.#counts.keys()].filter((prompt) => this.#counts[prompt]! > 0);
    const over = (sums: Float64Array) => prompts.map((prompt) => sums[prompt]! / this.#counts[prompt]!);
    const own = over(this.#own);
    // A query that sees nothing else has no others to compare with.
    const others = over(this.#others).filter(Number.isFinite);
    const share = (sum: number) => sum / this.queries;
    const test = others.length > 0 ? mannWhitney(own, others) : null;
    return {
      class: name,
      score: meanOf(own, level),
      top: share(this.top),
      chance: share(this.chance),
      separation: test && { effect: test.effect, p: test.p, q: test.p },
      attention: { full: share(this.full), alone: share(this.alone), without: share(this.without) },
    };
  }
}
