/**
 * What heads outside a named group do: each ablated alone, and on top of the group. One that costs more on top than alone
 * stands in for the group (Wang et al., arXiv 2211.00593, found such backups of name movers).
 */
import type { PromptScores } from '../evaluate/prompt-scores.js';
import { heed } from '../heed.js';
import type { LongCall } from '../progress.js';
import type { LossKind } from '../settings/choices.js';
import { type BootstrapSettings, bootstrapIntervals, type Interval } from '../statistics/bootstrap.js';
import { mean } from '../statistics/summary.js';
import type { RankedOn } from './rank-directions.js';

/** What the score loses, with its interval over prompts. */
export interface Loss {
  value: number;
  confidence: Interval;
}

export interface OutsideHead {
  head: string;
  alone: Loss;
  /** What it costs where the group is ablated already. */
  on_top: Loss;
  /** `on_top` minus `alone`: above 0 the head does more where the group is gone. */
  more: Loss;
}

export interface OutsideGroup {
  group: string;
  /** Ablating the whole group. */
  loss: Loss;
  /** The largest cost on top of the group first. */
  heads: OutsideHead[];
}

/** Prompts on which what is masked out is resampled. */
export type Ablated = Pick<RankedOn, 'length' | 'objective' | 'score'>;

/**
 * Heads write what they write for another prompt (resample ablation). Those heads outside a group are measured whose
 * slopes, summed over their directions, are largest: with everything kept, and on top of the group.
 * @param heads places of each head's OV directions
 * @param groups heads of each group
 * @param most heads that are measured for each group
 * @param score what is lost: the logit difference, or −KL where prompts have none
 */
export async function outsideHeads(
  on: Ablated,
  heads: ReadonlyMap<string, readonly number[]>,
  groups: ReadonlyMap<string, readonly string[]>,
  {
    most,
    directions,
    score,
    ...settings
  }: { most: number; directions: number; score: LossKind } & BootstrapSettings,
  { signal, onProgress }: LongCall = {},
): Promise<OutsideGroup[]> {
  const without = (names: readonly string[]) => {
    const masks = new Float32Array(directions).fill(1);
    for (const name of names) for (const at of heads.get(name) ?? []) masks[at] = 0;
    return masks;
  };
  const all = Array.from({ length: on.length }, (_, prompt) => prompt);
  const known = new Map<string, Float64Array>();
  /** What each prompt loses of its score without these heads. */
  const lossOf = async (names: readonly string[]): Promise<Float64Array> => {
    const key = [...names].sort().join();
    const before = known.get(key);
    if (before) return before;
    await heed(signal);
    const found = lossesOf(await on.score(without(names), { signal }), score);
    known.set(key, found);
    return found;
  };
  const slopesAt = async (masks: Float32Array) => {
    await heed(signal);
    const { gradient } = await on.objective(all, masks, score);
    return new Map(
      [...heads].map(([name, places]) => [
        name,
        Math.abs(places.reduce((sum, at) => sum + gradient[at]!, 0)),
      ]),
    );
  };
  const alone = await slopesAt(without([]));
  const found: OutsideGroup[] = [];
  for (const [group, members] of groups) {
    const above = await slopesAt(without(members));
    const outside = [...heads.keys()].filter((name) => !members.includes(name));
    const by = (slopes: ReadonlyMap<string, number>) =>
      [...outside].sort((a, b) => slopes.get(b)! - slopes.get(a)!).slice(0, Math.ceil(most / 2));
    const chosen = [...new Set([...by(above), ...by(alone)])];
    const base = await lossOf(members);
    const measured: OutsideHead[] = [];
    for (const [done, head] of chosen.entries()) {
      onProgress?.({ stage: `outside ${group}`, done, total: chosen.length });
      const [single, joint] = [await lossOf([head]), await lossOf([...members, head])];
      const top = joint.map((loss, i) => loss - base[i]!);
      measured.push({
        head,
        alone: lossWith(single, settings),
        on_top: lossWith(top, settings),
        more: lossWith(
          top.map((loss, i) => loss - single[i]!),
          settings,
        ),
      });
    }
    onProgress?.({ stage: `outside ${group}`, done: chosen.length, total: chosen.length });
    measured.sort((a, b) => b.on_top.value - a.on_top.value);
    found.push({ group, loss: lossWith(base, settings), heads: measured });
  }
  return found;
}

function lossesOf({ kl, logit_diff, full_logit_diff }: PromptScores, score: LossKind): Float64Array {
  return score === 'logit_diff' ? full_logit_diff.map((full, i) => full - logit_diff[i]!) : kl;
}

function lossWith(losses: Float64Array, settings: BootstrapSettings): Loss {
  const { confidence } = bootstrapIntervals({ confidence: losses }, settings);
  return { value: mean(losses)!, confidence: confidence! };
}
