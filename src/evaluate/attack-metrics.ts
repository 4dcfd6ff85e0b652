/** The attack that an evaluation ends with: within what budget, beside which control, and as `metrics.json` has it. */
import type { MaskLayout } from '../forward/layout.js';
import type { Objective } from '../masks/objective.js';
import type { LongCall } from '../progress.js';
import { Random } from '../random.js';
import type { AttackSettings } from '../settings/attack-settings.js';
import { mean, quantile } from '../statistics/summary.js';
import type { Attacked } from './adversary.js';
import {
  type AttackCall,
  attackCircuit,
  attackPrompts,
  type CircuitAttack,
  type MeasuredPairs,
} from './attack-circuit.js';
import type { AttackMetrics } from './attack-figures.js';
import { circuitSize } from './circuit-size.js';
import { type Circuit, CONTROLS } from './controls.js';
import type { PromptScores } from './prompt-scores.js';

/** Random shares of each sort. */
const DRAWS = 2;
/** Points of the way to the adversary's shares at which slopes are taken, and where the curve along it is measured. */
const POINTS = 3;
const ALONG = 10;
/** Left-out directions that are named, and of how many their own effect is measured. */
const NAMED = 50;
const EXACTLY = 5;
/** How many left-out directions may come back: numbers, and shares of all. */
const NUMBERS = [1, 10, 100];
const PARTS = [0.01, 0.1];
const CAPS = [0.05, 0.1, 0.25];
/** Prompts that are attacked by themselves, and of how many the worst are named. */
const PROMPTS = 32;
const WORST = 5;

/** An attack is measured on at most so many times as many pairs as the adversary sees. */
export const MEASURED = 4;

/** Pairs that the adversary sees. */
export interface SeenPairs {
  length: number;
  kl(masks: Float32Array): Promise<number>;
  gradient(indices: readonly number[], masks: Float32Array): Promise<Objective>;
  scoreEach?(all: readonly Float32Array[]): Promise<PromptScores[]>;
}

/**
 * @param circuit whose `binarised` directions are attacked
 * @param settings.draws random shares of each sort; a fourth start is the worst of them
 * @returns all of the metrics but what the seen pairs are
 */
export async function attackMetrics(
  seen: SeenPairs,
  measured: MeasuredPairs & { length: number },
  circuit: Circuit,
  settings: AttackSettings & { seed: number; draws?: number },
  { onSoFar, ...call }: AttackCall = {},
): Promise<Omit<AttackMetrics, 'seen'>> {
  const { attack: steps, attackStarts: starts, attackStep: step, attackBudgets: budgets } = settings;
  const { seed, draws = DRAWS } = settings;
  const all = Array.from({ length: seen.length }, (_, index) => index);
  const some = (indices: readonly number[]): Attacked => ({
    pull: (masks) => seen.gradient(indices, masks),
    kl: async (masks) =>
      indices.length === seen.length ? seen.kl(masks) : (await seen.gradient(indices, masks)).kl,
    ...(seen.scoreEach && {
      klOfEach: async (all) => (await seen.scoreEach!(all)).map(({ kl }) => meanOf(kl, indices)),
    }),
  });
  const leftOut = circuit.binarised.reduce((count, mask) => count + Number(mask === 0), 0);
  const plain: CircuitAttack = {
    starts,
    marks: [steps],
    rate: step,
    seed,
    budgetSteps: 0,
    most: [],
    caps: [],
    draws: 0,
    points: 0,
    along: 0,
    exactly: 0,
  };
  const whole = {
    ...plain,
    draws,
    points: POINTS,
    exactly: EXACTLY,
    ...(budgets && {
      marks: [...new Set([Math.ceil(steps / 4), Math.ceil(steps / 2), steps])],
      along: ALONG,
      budgetSteps: steps,
      most: numbers(leftOut),
      caps: CAPS,
    }),
  };
  const { figures, missed } = await attackCircuit(some(all), measured, circuit.binarised, whole, {
    ...call,
    onSoFar,
  });
  return {
    ...figures,
    n: measured.length,
    starts,
    steps,
    step,
    put_back: missed.length,
    missed: missed.slice(0, NAMED).map(({ direction, ...rest }) => ({
      ...placeOf(circuit.layout, direction),
      ...rest,
    })),
    missed_by_component: partsByComponent(circuit.layout, missed),
    per_prompt: budgets ? await perPrompt(some, seen.length, circuit.binarised, call) : null,
    control: await attackedControl(some(all), measured, circuit, plain, call),
  };
}

/** How often an attack runs pairs: for their gradient those it sees, for their scores those it is measured on. */
export function attackPasses({ attack, attackStarts, attackBudgets }: AttackSettings): {
  gradients: number;
  scores: number;
} {
  if (attack === 0) return { gradients: 0, scores: 0 };
  // The circuit and its control.
  const plain = {
    gradients: 2 * attackStarts * attack + POINTS + EXACTLY,
    scores: 2 * (attackStarts + 1) + 2 * DRAWS,
  };
  if (!attackBudgets) return plain;
  const budgets = NUMBERS.length + PARTS.length + CAPS.length;
  return {
    // From four starts within each budget; prompts by themselves take four steps.
    gradients: plain.gradients + 4 * budgets * attack + 4,
    scores: plain.scores + 2 * attackStarts + ALONG + budgets,
  };
}

function meanOf(values: Float64Array, indices: readonly number[]): number {
  return mean(indices.map((index) => values[index]!))!;
}

/** How many may come back, ascending, each once and at least one. */
function numbers(leftOut: number): number[] {
  const all = [...NUMBERS, ...PARTS.map((part) => Math.max(1, Math.round(part * leftOut)))];
  return [...new Set(all)].filter((most) => most <= leftOut).sort((a, b) => a - b);
}

async function perPrompt(
  some: (indices: readonly number[]) => Attacked,
  pairs: number,
  circuit: Float32Array,
  call: LongCall,
): Promise<AttackMetrics['per_prompt']> {
  const prompts = Math.min(PROMPTS, pairs);
  const steps = 4;
  const one = (prompt: number) => some([prompt]);
  const kls = [...(await attackPrompts(one, prompts, circuit, { steps }, call))];
  const worst = kls.map((kl, prompt) => ({ prompt, kl })).sort((a, b) => b.kl - a.kl || a.prompt - b.prompt);
  const ascending = Float64Array.from(kls).sort();
  return {
    steps,
    prompts,
    mean: mean(kls)!,
    median: quantile(ascending, 0.5),
    worst: worst.slice(0, WORST),
  };
}

/** A random set of the circuit's size: whether it would hold any better. */
async function attackedControl(
  seen: Attacked,
  measured: MeasuredPairs,
  circuit: Circuit,
  settings: CircuitAttack,
  call: LongCall,
): Promise<AttackMetrics['control']> {
  const drawn = CONTROLS.find(({ key }) => key === 'random')!;
  const random = drawn.make(circuit, new Random(settings.seed).fork('attacked control'));
  const { figures } = await attackCircuit(seen, measured, random, settings, {
    ...call,
    onProgress: (event) => call.onProgress?.({ ...event, stage: 'attack control' }),
  });
  return {
    active: circuitSize(circuit.layout, random, 0, circuit.masked).active,
    plain_kl: figures.plain_kl,
    kl: figures.kl,
    exact_match: figures.exact_match,
  };
}

/** A direction by its component and its place among that one's. */
function placeOf(layout: MaskLayout, at: number): { component: string; direction: number } {
  const component = layout.components.findLast((one) => layout.of(one).start <= at)!;
  return { component: component.name, direction: at - layout.of(component).start };
}

function partsByComponent(
  layout: MaskLayout,
  missed: readonly { direction: number; part: number }[],
): AttackMetrics['missed_by_component'] {
  const parts = new Float64Array(layout.size);
  for (const { direction, part } of missed) parts[direction] = part;
  return layout.components
    .map((component) => {
      const { start, length } = layout.of(component);
      return {
        component: component.name,
        part: parts.subarray(start, start + length).reduce((a, b) => a + b, 0),
      };
    })
    .filter(({ part }) => part !== 0)
    .sort((a, b) => b.part - a.part);
}
