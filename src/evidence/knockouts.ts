/**
 * Is the circuit the same under knockouts? If it is complete, leaving some of its directions out of both it and the model
 * leaves the two as near to each other as they were (Wang et al., arXiv 2211.00593; Miller et al., arXiv 2407.08734).
 */
import { heed } from '../heed.js';
import type { LongCall } from '../progress.js';
import { Random } from '../random.js';
import { mean } from '../statistics/summary.js';
import {
  byComponent,
  keepingOnly,
  sidesOf,
  type TestedCircuit,
  type TestSettings,
  without,
} from './tested-circuit.js';

export interface Knockout {
  /** `random 3`, a component's place such as `L9H6` or `L4.mlp`, or `greedy`. */
  name: string;
  sort: 'random' | 'head' | 'greedy';
  /** Directions that were left out of both. */
  size: number;
  /** KL(model without them ‖ circuit without them), nats. */
  kl: number;
  /** Mean logit difference of both; null without distractors. */
  circuit: number | null;
  model: number | null;
}

export interface Knockouts {
  /** KL(model ‖ circuit) with nothing left out. */
  kl: number;
  knockouts: Knockout[];
}

export interface KnockoutSettings extends Pick<TestSettings, 'seed'> {
  /** Random halves, and heads or MLPs at most, that are left out. */
  random: number;
  heads: number;
  /** Steps of the greedy search, and members that it tries in each. */
  steps: number;
  candidates: number;
}

/** Knocks out random halves of the circuit, heads and MLPs, and what a greedy search finds worst. */
export async function knockouts(
  circuit: TestedCircuit,
  { seed, random: halves, heads, steps, candidates }: KnockoutSettings,
  { onProgress, signal }: LongCall,
): Promise<Knockouts> {
  const { kept } = sidesOf(circuit);
  const random = new Random(seed).fork('knockouts');
  const groups = headsOf(circuit, kept);
  const chosen = groups.length <= heads ? groups : random.sample(groups, heads);
  const total = 1 + halves + chosen.length + steps * candidates;
  let done = 0;
  const measure = async (name: string, sort: Knockout['sort'], out: readonly number[]): Promise<Knockout> => {
    await heed(signal);
    const gone = new Set(out);
    const rest = kept.filter((at) => !gone.has(at));
    const scores = await circuit.some.score(keepingOnly(circuit, rest), { signal }, without(circuit, out));
    onProgress?.({ stage: 'knockouts', done: ++done, total });
    return {
      name,
      sort,
      size: out.length,
      kl: mean(scores.kl)!,
      circuit: mean(scores.logit_diff),
      model: mean(scores.full_logit_diff),
    };
  };
  const { kl } = await measure('nothing', 'random', []);
  if (kept.length === 0) return { kl, knockouts: [] };
  const found: Knockout[] = [];
  for (let half = 0; half < halves; half++)
    found.push(await measure(`random ${half}`, 'random', random.sample(kept, Math.ceil(kept.length / 2))));
  for (const { name, directions } of chosen) found.push(await measure(name, 'head', directions));
  let out: number[] = [];
  for (let step = 0; step < steps && out.length < kept.length; step++) {
    const gone = new Set(out);
    const tried = random.sample(
      kept.filter((at) => !gone.has(at)),
      candidates,
    );
    let worst: { knockout: Knockout; out: number[] } | null = null;
    for (const at of tried) {
      const knockout = await measure('greedy', 'greedy', [...out, at]);
      if (!worst || knockout.kl > worst.knockout.kl) worst = { knockout, out: [...out, at] };
    }
    out = worst!.out;
    found.push(worst!.knockout);
  }
  onProgress?.({ stage: 'knockouts', done: total, total });
  return { kl, knockouts: found };
}

/** The circuit's directions by head, and by MLP. */
function headsOf(circuit: TestedCircuit, kept: readonly number[]): { name: string; directions: number[] }[] {
  const groups = new Map<string, number[]>();
  for (const { component, directions } of byComponent(circuit, kept)) {
    const name = component.replace(/\.(qk|ov)$/, '').replace(/\.mlp_.*$/, '.mlp');
    groups.set(name, [...(groups.get(name) ?? []), ...directions]);
  }
  return [...groups].map(([name, directions]) => ({ name, directions }));
}
