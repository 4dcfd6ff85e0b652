/** When training does what: steps, batches, rates and prices. */

import { Random } from '../random.js';
import { priceOf, type TrainSettings } from '../settings/train-settings.js';
import { maskOf } from './mask-logits.js';
import { uniformShares } from './shares.js';
import type { Phase, TrainState } from './train-state.js';

function batchesPerEpoch({ batchSize }: TrainSettings, pairs: number): number {
  return Math.ceil(pairs / batchSize);
}

function phaseSteps(settings: TrainSettings, pairs: number): Record<Phase, number> {
  const { epochs, stepsPerBatch, steps, roundingSteps } = settings;
  const all = epochs * batchesPerEpoch(settings, pairs) * stepsPerBatch;
  return { soft: Math.min(all, steps ?? Number.POSITIVE_INFINITY), rounding: roundingSteps };
}

/** Most steps over both phases, on so many training pairs. */
export function trainingSteps(settings: TrainSettings, pairs: number): number {
  const { soft, rounding } = phaseSteps(settings, pairs);
  return soft + rounding;
}

/** How often masks are validated on the way: so every few steps of a phase, and at its end. */
export function validations(settings: TrainSettings, pairs: number): number {
  const { soft, rounding } = phaseSteps(settings, pairs);
  return [soft, rounding].reduce((sum, steps) => sum + Math.ceil(steps / settings.validateEvery), 0);
}

/** Which pairs, λ, rate and masks belong to a step: all of it follows from settings, seed and state. */
export class Schedule {
  readonly #order = new Map<number, number[]>();

  constructor(
    private readonly objective: { directions: number; pairs: number },
    private readonly settings: TrainSettings,
    private readonly seed: number,
  ) {}

  private get batchesPerEpoch(): number {
    return batchesPerEpoch(this.settings, this.objective.pairs);
  }

  length(phase: Phase): number {
    return phaseSteps(this.settings, this.objective.pairs)[phase];
  }

  finished(state: TrainState): boolean {
    return state.phase === 'rounding' && state.phaseStep >= this.length('rounding');
  }

  batch({ phase, phaseStep }: TrainState): { indices: number[]; epoch: number; newBatch: boolean } {
    const { batchSize, stepsPerBatch } = this.settings;
    const perBatch = phase === 'soft' ? stepsPerBatch : 1;
    const batch = Math.floor(phaseStep / perBatch);
    const epoch = Math.floor(batch / this.batchesPerEpoch);
    const from = (batch % this.batchesPerEpoch) * batchSize;
    return {
      indices: this.order(phase, epoch).slice(from, from + batchSize),
      epoch,
      newBatch: phaseStep % perBatch === 0,
    };
  }

  masks({ phase, logits }: TrainState): Float32Array {
    return phase === 'soft' ? logits.map(maskOf) : logits.map((logit) => Number(logit > 0));
  }

  rate({ phase, phaseStep }: TrainState): number {
    const { lr, lrDecay, roundingLr, roundingDecay } = this.settings;
    const [first, decay] = phase === 'soft' ? [lr, lrDecay] : [roundingLr, roundingDecay];
    const done = phaseStep / Math.max(1, this.length(phase) - 1);
    return first * (1 - (1 - decay) * done);
  }

  price({ phase, phaseStep }: TrainState): number {
    const { l1Warmup, roundingL1Warmup } = this.settings;
    const full = this.finalPrice(phase);
    const rise = (phase === 'soft' ? l1Warmup : roundingL1Warmup) * this.length(phase);
    return rise > 0 ? full * Math.min(1, phaseStep / rise) : full;
  }

  /** γ of the price in this step; null where it is linear in the masks. */
  gamma({ phase, phaseStep }: TrainState): number | null {
    const { roundingGamma } = this.settings;
    if (phase === 'soft' || roundingGamma === null) return null;
    const [first, last] = roundingGamma;
    return first * (last / first) ** (phaseStep / Math.max(1, this.length(phase) - 1));
  }

  /** The adversary's shares after a restart. */
  shares({ phase, phaseStep, logits }: TrainState, cap: number): Float32Array {
    return uniformShares(logits.length, new Random(this.seed).fork(`${phase} shares ${phaseStep}`), cap);
  }

  finalPrice(phase: Phase): number {
    const { directions } = this.objective;
    return phase === 'soft'
      ? priceOf(this.settings.l1, directions)
      : priceOf(this.settings.roundingL1, directions);
  }

  /** The pairs' order in an epoch; each epoch has its own shuffle, independent of how it was reached. */
  private order(phase: Phase, epoch: number): number[] {
    const key = (phase === 'soft' ? 0 : 1e6) + epoch;
    let order = this.#order.get(key);
    if (!order) {
      const all = Array.from({ length: this.objective.pairs }, (_, index) => index);
      order = new Random(this.seed).fork(`${phase} epoch ${epoch}`).shuffle(all);
      this.#order.clear();
      this.#order.set(key, order);
    }
    return order;
  }
}
