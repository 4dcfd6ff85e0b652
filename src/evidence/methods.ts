/** Methods by name: what they score, in which orders that puts directions, and what it cost. */
import type { RankingMethod } from '../settings/choices.js';
import { ranked } from '../statistics/faithfulness.js';
import type { Cut, Method } from './compare-file.js';
import type { RankedOn } from './rank-directions.js';
import type { Order } from './size-curves.js';

export type Family = 'learned' | 'gradients' | 'heads' | 'others';

/** Methods that are looked at together, and what they are called. */
export const FAMILIES: Record<Family, string> = {
  learned: 'Learned masks',
  gradients: 'Gradients, without training',
  heads: 'Whole heads and MLPs',
  others: 'Neither gradients nor training',
};

interface Description {
  title: string;
  family: Family;
  unit: Method['unit'];
  /** Whether scores have a sign, so that their size may count instead. */
  signed: boolean;
}

export const METHOD_TEXT: Record<RankingMethod, Description> = {
  learned: { title: 'learned masks', family: 'learned', unit: 'direction', signed: false },
  learned_robust: { title: 'learned masks, robust', family: 'learned', unit: 'direction', signed: false },
  learned_heads: { title: 'learned masks by head', family: 'heads', unit: 'head', signed: false },
  learned_neurons: { title: 'learned masks on neurons', family: 'learned', unit: 'neuron', signed: false },
  attribution: { title: 'attribution', family: 'gradients', unit: 'direction', signed: true },
  attribution_heads: { title: 'attribution by head', family: 'heads', unit: 'head', signed: true },
  integrated: { title: 'integrated gradients', family: 'gradients', unit: 'direction', signed: true },
  conductance: { title: 'conductance', family: 'gradients', unit: 'direction', signed: true },
  patching: { title: 'activation patching', family: 'others', unit: 'direction', signed: true },
  patching_heads: { title: 'activation patching by head', family: 'heads', unit: 'head', signed: true },
  greedy: { title: 'greedy pruning', family: 'others', unit: 'direction', signed: false },
  sparse_attention: { title: 'sparse attention', family: 'others', unit: 'direction', signed: false },
  sigma: { title: '|σ|', family: 'others', unit: 'direction', signed: false },
  difference: { title: 'difference of activation', family: 'others', unit: 'direction', signed: false },
  random: { title: 'random', family: 'others', unit: 'direction', signed: false },
};

/** What a method is called: with its ranking where it has two. */
export function methodName({ title, ranking }: Pick<Method, 'title' | 'ranking'>): string {
  return ranking === null ? title : `${title}, ${ranking}`;
}

/** The cut at the circuit's own size. */
export function ownCut({ cuts }: Pick<Method, 'cuts'>): Cut {
  return cuts.find(({ size }) => size === null)!;
}

/** What ranking took. */
export type Cost = Pick<Method, 'seconds' | 'forwards' | 'gradients'>;

/** What a method found. */
export interface Scored {
  id: RankingMethod;
  /** One for each direction, or for each head; several where they are drawn. */
  scores: readonly ArrayLike<number>[];
  /** Second scores, by which equal ones are told apart. */
  ties?: ArrayLike<number>;
  cost: Cost;
}

export interface NamedOrder {
  ranking: Method['ranking'];
  orders: Order[];
}

/** The orders of what a method scored: by score, and by its size where scores have a sign. */
export function ordersOf({ id, scores, ties }: Scored, heads: readonly (readonly number[])[]): NamedOrder[] {
  const { signed, unit } = METHOD_TEXT[id];
  const by = (ranking: 'signed' | 'absolute') =>
    scores.map((each) => {
      const order = ranked(each, ranking, ties);
      return order.map((at) => (unit === 'head' ? heads[at]! : [at]));
    });
  if (!signed) return [{ ranking: null, orders: by('signed') }];
  return [
    { ranking: 'signed', orders: by('signed') },
    { ranking: 'absolute', orders: by('absolute') },
  ];
}

/** The same prompts, and what they were asked for. */
export function counted(pairs: RankedOn, cost: Cost): RankedOn {
  return {
    length: pairs.length,
    objective: (indices, masks, loss) => {
      cost.gradients += indices.length;
      return pairs.objective(indices, masks, loss);
    },
    kl: (masks, call) => {
      cost.forwards += pairs.length;
      return pairs.kl(masks, call);
    },
    score: (masks, call) => {
      cost.forwards += pairs.length;
      return pairs.score(masks, call);
    },
    conductance: (loss, points, call) => {
      cost.gradients += (points + 1) * pairs.length;
      return pairs.conductance(loss, points, call);
    },
    differences: (call) => {
      cost.forwards += pairs.length;
      return pairs.differences(call);
    },
  };
}
