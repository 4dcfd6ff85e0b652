/**
 * Joint training of all masks: soft masks first, then masks rounded in the forward pass (docs/maths.md, "Training").
 * Knows nothing of engines: it asks an objective for losses and gradients, and does the rest on the host.
 */

import { InterruptedError, throwIfAborted } from '../errors.js';
import type { LongCall } from '../progress.js';
import type { TrainSettings } from '../settings/train-settings.js';
import { bestCut, MOST_CUTS } from './cut.js';
import { chainToLogits, logitOf } from './mask-logits.js';
import type { Objective } from './objective.js';
import { adamWStep, clipNorm, freshAdamW } from './optimiser.js';
import { Schedule } from './schedule.js';
import { putBack, stepShares } from './shares.js';
import { initialState, type Phase, type TrainState } from './train-state.js';

/** What training needs of a model and its prompt pairs. */
export interface MaskObjective {
  /** Number of masks. */
  directions: number;
  /** Number of training pairs. */
  pairs: number;
  /** Masks that stay 0 and are not learned, marked by 1; none where absent. */
  frozen?: Uint8Array;
  /** Loss and gradient on some training pairs. */
  evaluate(indices: readonly number[], masks: Float32Array): Promise<Objective>;
  /** Mean KL over all validation pairs. */
  validate(masks: Float32Array): Promise<number>;
  /** Mean KL over enough of them to choose among cuts by; all where absent. */
  compareCuts?(masks: Float32Array): Promise<number>;
}

/** A line of `history.jsonl`: values before the step's update. */
export interface HistoryLine {
  step: number;
  epoch: number;
  phase: Phase;
  kl: number;
  /** Σ of the masks that the forward pass used. */
  l1: number;
  /** Training loss plus λ·l1. */
  loss: number;
  /** λ at this step. */
  l1_weight: number;
  /** Norm of the gradient by the mask logits, before clipping. */
  grad_norm?: number;
  /** KL at the adversary's shares, where there is one. */
  adversarial_kl?: number;
  /** Time the step took. */
  seconds: number;
  validation?: true;
  /** Above which soft masks are kept as the rounding phase begins, where that was looked for. */
  cut?: number;
}

export interface TrainHooks extends LongCall {
  onHistory?: (line: HistoryLine) => Promise<void> | void;
  /** Called after each validation, at the end of a phase, and before an interruption is thrown. */
  onCheckpoint?: (state: TrainState) => Promise<void>;
}

export interface TrainResult {
  /** The best masks: 0 or 1 after a rounding phase, soft otherwise. */
  masks: Float32Array;
  /** The best soft masks. */
  soft: Float32Array;
  steps: number;
}

/**
 * @param resume state to go on from; it is changed in place
 * @throws InterruptedError after saving a checkpoint, if the signal fires
 */
export async function trainMasks(
  objective: MaskObjective,
  settings: TrainSettings,
  seed: number,
  hooks: TrainHooks = {},
  resume?: TrainState,
): Promise<TrainResult> {
  const state = resume ?? initialState(objective.directions, settings.init, objective.frozen);
  const schedule = new Schedule(objective, settings, seed);
  while (!schedule.finished(state)) {
    await runPhase(objective, settings, schedule, state, hooks);
    await endPhase(objective, settings, schedule, state, hooks);
    await hooks.onCheckpoint?.(state);
  }
  return { masks: state.best, soft: state.soft, steps: state.step };
}

async function runPhase(
  objective: MaskObjective,
  settings: TrainSettings,
  schedule: Schedule,
  state: TrainState,
  hooks: TrainHooks,
): Promise<void> {
  const { onCheckpoint, signal } = hooks;
  const phaseSteps = schedule.length(state.phase);
  while (state.phaseStep < phaseSteps) {
    const last = state.phaseStep + 1 === phaseSteps;
    const validates = last || (state.phaseStep + 1) % settings.validateEvery === 0;
    // A step that is broken off has changed nothing yet; one whose validation is, is done again with it.
    const before = validates ? structuredClone(state) : state;
    try {
      throwIfAborted(signal);
      const epoch = await runStep(objective, settings, schedule, state, hooks);
      if (!validates) continue;
      // A phase that has ended stays so, whatever comes between here and the next one.
      if (await validate(objective, settings, schedule, state, epoch, hooks.onHistory))
        state.phaseStep = phaseSteps;
    } catch (error) {
      if (!(error instanceof InterruptedError)) throw error;
      await onCheckpoint?.(before);
      throw new InterruptedError(`interrupted after step ${before.step}; the run can be resumed`);
    }
    await onCheckpoint?.(state);
  }
}

/** @returns the step's epoch */
async function runStep(
  objective: MaskObjective,
  settings: TrainSettings,
  schedule: Schedule,
  state: TrainState,
  { onProgress, onHistory }: TrainHooks,
): Promise<number> {
  const started = performance.now();
  const { indices, epoch, newBatch } = schedule.batch(state);
  if (newBatch && settings.freshOptimiser) state.optimiser = freshAdamW(objective.directions);
  const masks = schedule.masks(state);
  const price = schedule.price(state);
  const { kl, loss, gradient, against } = await evaluate(objective, settings, schedule, state, indices);
  const l1 = sum(masks);
  chainToLogits(gradient, state.logits, price, schedule.gamma(state));
  const gradNorm = clipNorm(gradient, settings.clip);
  adamWStep(state.logits, gradient, state.optimiser, { ...settings, lr: schedule.rate(state) });
  const line = {
    step: state.step,
    epoch,
    phase: state.phase,
    kl,
    l1,
    loss: loss + price * l1,
    l1_weight: price,
    ...(against === undefined ? {} : { adversarial_kl: against }),
  };
  await onHistory?.({ ...line, grad_norm: gradNorm, seconds: (performance.now() - started) / 1000 });
  state.step++;
  state.phaseStep++;
  onProgress?.({
    stage: state.phase === 'soft' ? 'train' : 'round',
    done: state.phaseStep,
    total: schedule.length(state.phase),
    note: `kl ${kl.toPrecision(3)}  Σm ${l1.toFixed(0)}`,
  });
  return epoch;
}

/**
 * Loss and gradient of a step. An adversary takes its part of the batch, whose KL at its shares is added to that of the
 * other pairs, so that a step costs no more than without; then its shares move up theirs.
 * @returns kl: of the masks themselves; against: at the shares
 */
async function evaluate(
  objective: MaskObjective,
  settings: TrainSettings,
  schedule: Schedule,
  state: TrainState,
  indices: readonly number[],
): Promise<Objective & { against?: number }> {
  const { adversary, adversaryPart, adversaryCap: cap, adversaryStep, adversaryRestart } = settings;
  const masks = schedule.masks(state);
  if (adversary === 0) return objective.evaluate(indices, masks);
  const [seen, others] = parted(indices, adversaryPart);
  const own = await objective.evaluate(others, masks);
  if (state.phaseStep % adversaryRestart === 0) state.shares = schedule.shares(state, cap);
  const { shares } = state;
  const put = await objective.evaluate(seen, putBack(masks, shares));
  const gradient = own.gradient.map((slope, i) => slope + adversary * (1 - shares[i]!) * put.gradient[i]!);
  stepShares(shares, masks, put.gradient, adversaryStep * cap, cap);
  const loss = own.loss + adversary * put.loss;
  return { kl: own.kl, loss, gradient, against: put.kl };
}

/** The adversary's part of a batch, and the other one; neither is empty, so that a single pair is in both. */
function parted(indices: readonly number[], part: number): [readonly number[], readonly number[]] {
  if (indices.length === 1) return [indices, indices];
  const count = Math.min(indices.length - 1, Math.max(1, Math.round(part * indices.length)));
  return [indices.slice(0, count), indices.slice(count)];
}

/** Validates, keeps the best masks, and says whether the phase may end. */
async function validate(
  objective: MaskObjective,
  settings: TrainSettings,
  schedule: Schedule,
  state: TrainState,
  epoch: number,
  onHistory: TrainHooks['onHistory'],
): Promise<boolean> {
  const started = performance.now();
  const masks = schedule.masks(state);
  const kl = await objective.validate(masks);
  const l1 = sum(masks);
  // Judged at the phase's final λ, so that validations are comparable while λ still rises.
  const price = schedule.finalPrice(state.phase);
  const against = settings.adversary > 0 ? await objective.validate(putBack(masks, state.shares)) : undefined;
  const value = kl + settings.adversary * (against ?? 0) + price * l1;
  const line = { step: state.step, epoch, phase: state.phase, kl, l1, loss: value, l1_weight: price };
  const adversarial = against === undefined ? {} : { adversarial_kl: against };
  await onHistory?.({
    ...line,
    ...adversarial,
    seconds: (performance.now() - started) / 1000,
    validation: true,
  });
  if (value < state.bestObjective) {
    state.bestObjective = value;
    state.best = masks;
    state.waited = 0;
  } else state.waited++;
  if (settings.patience !== null && state.waited >= settings.patience) return true;
  const { stopKl, stopL1 } = settings;
  if (state.phase !== 'soft' || stopKl === null || stopL1 === null || kl >= stopKl || l1 >= stopL1)
    return false;
  // These masks meet both limits, which is what the rule asks for; earlier ones with a better objective did not.
  state.best = masks;
  return true;
}

async function endPhase(
  objective: MaskObjective,
  settings: TrainSettings,
  schedule: Schedule,
  state: TrainState,
  hooks: TrainHooks,
): Promise<void> {
  if (state.phase === 'rounding') {
    state.phaseStep = schedule.length('rounding');
    return;
  }
  state.soft = state.best;
  state.phase = 'rounding';
  state.phaseStep = 0;
  if (settings.roundingSteps === 0) return;
  if (settings.cut === 'validation')
    state.logits = await cutLogits(objective, settings, schedule, state, hooks);
  const clamp = settings.roundingClamp;
  state.logits = state.logits.map((logit) =>
    Number.isFinite(logit) ? Math.max(-clamp, Math.min(clamp, logit)) : logit,
  );
  state.optimiser = freshAdamW(state.logits.length);
  state.best = new Float32Array(0);
  state.bestObjective = Number.POSITIVE_INFINITY;
  state.waited = 0;
}

/** Logits of the soft masks, moved so that the best cut of them is at 0. */
async function cutLogits(
  objective: MaskObjective,
  { adversary }: TrainSettings,
  schedule: Schedule,
  { soft, shares, step, phase }: TrainState,
  { onHistory, onProgress, signal }: TrainHooks,
): Promise<Float32Array> {
  const started = performance.now();
  const price = schedule.finalPrice('rounding');
  const klOf = (masks: Float32Array) => (objective.compareCuts ?? objective.validate)(masks);
  const kls: number[] = [];
  const { threshold, kept, value, at } = await bestCut(soft, async (circuit) => {
    throwIfAborted(signal);
    onProgress?.({ stage: 'cut', done: kls.length, total: MOST_CUTS });
    const kl = await klOf(circuit);
    kls.push(kl);
    // What is kept because of an adversary shows at its shares alone.
    const against = adversary > 0 ? await klOf(putBack(circuit, shares)) : 0;
    return kl + adversary * against + price * sum(circuit);
  });
  onProgress?.({ stage: 'cut', done: MOST_CUTS, total: MOST_CUTS });
  const line = { step, epoch: 0, phase, kl: kls[at]!, l1: kept, loss: value, l1_weight: price };
  const seconds = (performance.now() - started) / 1000;
  await onHistory?.({ ...line, cut: threshold, seconds, validation: true });
  // What was rounded to 0 or 1 can still change its mind, unless it is frozen.
  const inside = (mask: number) => Math.min(1 - 1e-7, Math.max(1e-7, mask));
  return soft.map((mask, at) =>
    objective.frozen?.[at] ? Number.NEGATIVE_INFINITY : logitOf(inside(mask)) - logitOf(threshold),
  );
}

function sum(values: Float32Array): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}
