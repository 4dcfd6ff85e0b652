/** Cuts a ranking at sizes, and measures faithfulness against size (Mueller et al., arXiv 2504.13151). */

import type { PromptScores } from '../evaluate/prompt-scores.js';
import { heed } from '../heed.js';
import type { LongCall, ProgressEvent } from '../progress.js';
import { type BootstrapSettings, bootstrapIntervals, resampled } from '../statistics/bootstrap.js';
import { areas, itemsAt, SIZES } from '../statistics/faithfulness.js';
import { mean, quantile } from '../statistics/summary.js';
import type { Cut, Method } from './compare-file.js';

/** What comes first, the most important first: single directions, or groups that are kept whole or not at all. */
export type Order = readonly (readonly number[])[];

export interface CutPrompts {
  readonly length: number;
  score(masks: Float32Array, call?: LongCall): Promise<PromptScores>;
}

/** Groups in order, as long as they fit; what does not fit ends the circuit. */
export function cutAt(order: Order, most: number): number[] {
  const kept: number[] = [];
  for (const group of order) {
    if (kept.length + group.length > most) break;
    kept.push(...group);
  }
  return kept;
}

export type Curve = Pick<Method, 'cuts' | 'cpr' | 'cmd'>;

/** Measures rankings on prompts; what comes again, such as nothing kept, is measured once. */
export class SizeCurves {
  readonly #scores = new Map<string, PromptScores>();
  private readonly directions: number;
  private readonly ownSize: number;
  private readonly settings: BootstrapSettings;
  /** Prompts that have a logit difference. */
  private readonly scored: readonly number[];

  /**
   * @param none what nothing kept does on the prompts
   * @param defined whether f is: its denominator is told from 0
   */
  constructor(
    private readonly prompts: CutPrompts,
    { directions, ownSize, ...settings }: { directions: number; ownSize: number } & BootstrapSettings,
    private readonly none: PromptScores,
    private readonly defined: boolean,
  ) {
    this.directions = directions;
    this.ownSize = ownSize;
    this.settings = settings;
    this.scored = [...none.logit_diff.keys()].filter((i) => !Number.isNaN(none.logit_diff[i]));
    this.#scores.set('0', none);
  }

  /** @param orders several where the ranking is drawn: figures are then means over draws */
  async measure(orders: readonly Order[], stage: string, { signal, onProgress }: LongCall): Promise<Curve> {
    const sizes: (number | null)[] = [...SIZES, null];
    const perCut: { kept: number; draws: PromptScores[] }[] = [];
    for (const [done, size] of sizes.entries()) {
      const most = size === null ? this.ownSize : itemsAt(size, this.directions);
      const draws: PromptScores[] = [];
      let kept = 0;
      for (const [draw, order] of orders.entries()) {
        await heed(signal);
        const chosen = cutAt(order, most);
        kept += chosen.length / orders.length;
        const heard = (event: ProgressEvent) => {
          const share = (done + (draw + event.done / event.total) / orders.length) / sizes.length;
          onProgress?.({ stage, done, total: sizes.length, share });
        };
        draws.push(await this.scoresOf(chosen, { signal, onProgress: heard }));
      }
      perCut.push({ kept, draws });
      onProgress?.({ stage, done: done + 1, total: sizes.length });
    }
    const cuts = sizes.map((size, at) => this.cut(size, perCut[at]!));
    const curves = perCut
      .slice(0, SIZES.length)
      .map(({ draws }) => draws.map(({ logit_diff }) => logit_diff));
    return { cuts, ...this.areasOf(curves) };
  }

  private async scoresOf(kept: readonly number[], call: LongCall): Promise<PromptScores> {
    const masks = new Float32Array(this.directions);
    for (const at of kept) masks[at] = 1;
    const again = kept.length === 0 || kept.length === this.directions;
    const known = again ? this.#scores.get(String(kept.length)) : undefined;
    const scores = known ?? (await this.prompts.score(masks, call));
    if (again) this.#scores.set(String(kept.length), scores);
    return scores;
  }

  private cut(size: number | null, { kept, draws }: { kept: number; draws: PromptScores[] }): Cut {
    const averaged = (name: 'kl' | 'exact_match' | 'logit_diff') =>
      draws[0]![name].map((_, i) => draws.reduce((sum, one) => sum + one[name][i]!, 0) / draws.length);
    const [kl, exact_match, logit_diff] = [averaged('kl'), averaged('exact_match'), averaged('logit_diff')];
    const spread = bootstrapIntervals({ kl, exact_match }, this.settings);
    const f = (at: ArrayLike<number>) => this.faithfulness(logit_diff, at);
    return {
      size,
      kept,
      kl: mean(kl)!,
      exact_match: mean(exact_match)!,
      logit_diff: mean(logit_diff),
      f: this.defined ? f(this.all) : null,
      confidence: { ...spread, f: this.defined ? this.interval(f) : null },
    };
  }

  /** @param curves logit differences of each prompt, by size and draw */
  private areasOf(curves: readonly Float64Array[][]): Pick<Curve, 'cpr' | 'cmd'> {
    if (!this.defined) return { cpr: null, cmd: null };
    const area = (name: 'cpr' | 'cmd') => {
      const of = (at: ArrayLike<number>) => {
        const draws = curves[0]!.length;
        let total = 0;
        for (let draw = 0; draw < draws; draw++) {
          const f = curves.map((bySize) => this.faithfulness(bySize[draw]!, at));
          total += areas(SIZES, f)[name] / draws;
        }
        return total;
      };
      return { value: of(this.all), confidence: this.interval(of) };
    };
    return { cpr: area('cpr'), cmd: area('cmd') };
  }

  private get all(): number[] {
    return this.scored.map((_, i) => i);
  }

  /** A ratio of means over the given ones of the prompts that have a score. */
  private faithfulness(circuit: ArrayLike<number>, at: ArrayLike<number>): number {
    let [above, way] = [0, 0];
    for (let i = 0; i < at.length; i++) {
      const index = this.scored[at[i]!]!;
      above += circuit[index]! - this.none.logit_diff[index]!;
      way += this.none.full_logit_diff[index]! - this.none.logit_diff[index]!;
    }
    return above / way;
  }

  private interval(statistic: (at: ArrayLike<number>) => number): [number, number] {
    const tail = (1 - this.settings.level) / 2;
    const values = resampled(this.scored.length, statistic, this.settings);
    return [quantile(values, tail), quantile(values, 1 - tail)];
  }
}
