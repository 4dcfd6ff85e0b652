/** The sheet's lines: what was measured, as hypotheses with their p-values and as sentences. */
import { verdictOf } from '../evaluate/attack-figures.js';
import type { SplitMetrics } from '../evaluate/metrics-file.js';
import { atLeast } from '../statistics/binomial.js';
import { equivalence } from '../statistics/equivalence.js';
import { independence } from '../statistics/independence.js';
import { quantile } from '../statistics/summary.js';
import type { AgainstChance, Chance } from './against-chance.js';
import type { Knockouts } from './knockouts.js';
import type { MembersTested } from './members.js';
import type { Line, LineId } from './verdict-file.js';

/** Where a line's numbers are, unless it says otherwise. */
const HERE = 'verdict.json';

const TITLES: Record<LineId, string> = {
  equivalence: 'scores like the model',
  independence: 'the rest knows nothing',
  minimality: 'no member too many',
  sufficiency: 'beats random sets',
  sufficiency_by_component: 'beats random sets, by component',
  necessity: 'is needed',
  necessity_by_component: 'is needed, by component',
  necessity_of_rest: 'is needed more than the rest',
  knockouts: 'the same under knockouts',
  adversary: 'holds under an adversary',
  other_task: 'is of this task',
  shuffled_weights: 'is of the trained weights',
  found_again: 'is found again',
  rival: 'is the only one',
  head_groups: 'keeps known heads',
};

/** A line, from what it says; what it does not say it has not. */
export function lineOf(id: LineId, said: Pick<Line, 'outcome' | 'claim' | 'limit'> & Partial<Line>): Line {
  return {
    id,
    title: TITLES[id],
    null_hypothesis: null,
    statistic: null,
    n: null,
    p: null,
    correction: null,
    file: HERE,
    numbers: {},
    ...said,
  };
}

/** A line that was not measured. */
export function missing(id: LineId, why: string): Line {
  return lineOf(id, {
    outcome: 'missing',
    claim: `Not measured: ${why}.`,
    limit: 'Nothing may be claimed.',
  });
}

const NO_SCORE = 'no prompt has both an answer and a distractor';

/** Scores of one and the same prompts; NaN where a prompt has none. */
interface Scored {
  circuit: ArrayLike<number>;
  model: ArrayLike<number>;
  /** Of what the circuit leaves out. */
  rest: ArrayLike<number>;
}

/** The most by which P(circuit above model) may differ from ½. */
const TOLERANCE = 0.1;

export function equivalenceLine(scored: Scored, alpha: number): Line {
  const { circuit, model } = present(scored);
  if (circuit.length === 0) return missing('equivalence', NO_SCORE);
  const { share, compared, ties, p } = equivalence(circuit, model, TOLERANCE);
  const rejected = p <= alpha;
  const side = (share ?? 0.5) > 0.5 ? 'above' : 'below';
  return lineOf('equivalence', {
    outcome: rejected ? 'against' : 'for',
    null_hypothesis: `The circuit's logit difference is above the model's with a probability within ${TOLERANCE} of one half.`,
    statistic: { name: '|share of prompts above − ½|', value: Math.abs((share ?? 0.5) - 0.5) },
    n: { value: compared, of: 'prompts' },
    p,
    claim: rejected
      ? `The circuit does not score like the model: it is ${side} it on ${percentOf(side === 'above' ? share! : 1 - share!)} of the prompts.`
      : 'The prompts do not tell the circuit’s scores from the model’s.',
    limit: rejected
      ? 'How far apart the scores are is another question: see KL and faithfulness.'
      : 'Not to reject is no proof: fewer prompts reject less.',
    numbers: { share_above: share, ties, tolerance: TOLERANCE },
  });
}

export function independenceLine(
  scored: Scored,
  { permutations, seed, alpha }: { permutations: number; seed: number; alpha: number },
): Line {
  const { rest, model } = present(scored);
  if (model.length === 0) return missing('independence', NO_SCORE);
  const { hsic, bandwidth, p } = independence(rest, model, { permutations, seed });
  const rejected = p <= alpha;
  return lineOf('independence', {
    outcome: rejected ? 'against' : 'for',
    null_hypothesis:
      'The logit difference of what the circuit leaves out is independent of the model’s logit difference.',
    statistic: { name: 'HSIC', value: hsic },
    n: { value: model.length, of: 'prompts' },
    p,
    claim: rejected
      ? 'What the circuit leaves out still follows the model’s score: it does part of the task.'
      : 'Nothing of the model’s score was found in what the circuit leaves out.',
    limit: rejected
      ? 'Dependence may be weak: it says that there is some, not how much.'
      : 'Not to reject is no proof, and what the rest does together with the circuit is not tested.',
    numbers: { bandwidth, permutations },
  });
}

export function minimalityLine(
  found: MembersTested | null,
  { members, alpha, name }: { members: number; alpha: number; name: (place: number) => string },
): Line {
  if (!found) return missing('minimality', 'the circuit keeps nothing, or everything');
  const { members: tested, superfluous, changes, random, places } = found;
  const least = Math.min(...tested.map(({ adjusted }) => adjusted));
  const some = superfluous.length > 0;
  return lineOf('minimality', {
    outcome: some ? 'against' : 'for',
    null_hypothesis:
      'Leaving a member out changes the circuit’s KL by more than taking away again a direction that was added at random does, for nine in ten such directions (of each member).',
    statistic: { name: 'members that are not missed', value: superfluous.length },
    n: { value: tested.length, of: `of ${members} members, sampled by component` },
    p: Math.min(...tested.map(({ p }) => p)),
    correction: { method: 'holm', tests: tested.length, p: least },
    claim: some
      ? `Not minimal: ${superfluous.length} of ${tested.length} sampled members are missed no more than a random direction.`
      : `None of ${tested.length} sampled members was found to be superfluous.`,
    limit: some
      ? 'Members are left out one at a time: together, superfluous ones may be needed.'
      : members > tested.length
        ? 'Members that were not sampled may be superfluous; and not to reject is no proof.'
        : 'Not to reject is no proof.',
    numbers: {
      members: tested.map(({ beaten, p, adjusted }, i) => ({
        direction: name(places[i]!),
        change: changes[i],
        beaten,
        p,
        adjusted,
      })),
      random,
      quantile: 0.9,
      alpha,
    },
  });
}

const CHANCE_TEXT: Record<Chance, { sets: string; from: string }> = {
  sufficiency: { sets: 'random sets of its size', from: 'all directions' },
  sufficiency_by_component: {
    sets: 'random sets with as many directions of each component',
    from: 'the same components',
  },
  necessity: { sets: 'random sets of its size', from: 'all directions' },
  necessity_by_component: {
    sets: 'random sets with as many directions of each component',
    from: 'the same components',
  },
  necessity_of_rest: { sets: 'random sets of its size', from: 'what it leaves out' },
};

/** @param corrected p over all such lines of the sheet, and how many they are */
export function chanceLine(
  id: Chance,
  found: AgainstChance | null,
  { alpha, corrected, tests }: { alpha: number; corrected: number; tests: number },
): Line {
  const { sets, from } = CHANCE_TEXT[id];
  const knocksOut = id.startsWith('necessity');
  if (!found)
    return missing(
      id,
      id === 'necessity_of_rest'
        ? 'the circuit leaves out fewer directions than it keeps'
        : `no ${sets} can differ from it`,
    );
  const { beaten, of, p, loss, random } = found;
  const shown = corrected <= alpha;
  const share = beaten / of;
  const sorted = Float64Array.from(random).sort();
  const typical = quantile(sorted, 0.5);
  return lineOf(id, {
    outcome: shown ? 'for' : share < 0.9 ? 'against' : 'open',
    null_hypothesis: knocksOut
      ? `Of ${sets} (from ${from}), at most nine in ten cost the model no more than the circuit does when they are knocked out.`
      : `Of ${sets} (from ${from}), at most nine in ten lose as much of the model’s distribution (KL) as the circuit does, or more.`,
    statistic: { name: knocksOut ? 'sets that cost no more' : 'sets that lose as much', value: beaten },
    n: { value: of, of: 'random sets' },
    p,
    correction: { method: 'holm', tests, p: corrected },
    claim: knocksOut
      ? shown
        ? `Without the circuit the model loses ${nats(loss)}, without ${sets} ${nats(typical)} (median).`
        : `That the model needs the circuit more than ${sets} was not shown: ${beaten} of ${of} cost no more.`
      : shown
        ? `The circuit’s KL is ${nats(loss)}, that of ${sets} ${nats(typical)} (median).`
        : `That the circuit is better than ${sets} was not shown: ${beaten} of ${of} lose as much.`,
    limit: knocksOut
      ? 'It is needed as a whole: each of its directions need not be.'
      : 'Other sets that were not drawn at random may do as well: this is a sufficient circuit, not the only one.',
    numbers: { loss, random, quantile: 0.9 },
  });
}

export function knockoutsLine({ kl, knockouts }: Knockouts, alpha: number): Line {
  const counted = knockouts.filter(({ sort }) => sort !== 'greedy');
  if (counted.length === 0) return missing('knockouts', 'the circuit keeps nothing');
  const larger = counted.filter((one) => one.kl > kl).length;
  const p = atLeast(larger, counted.length, 0.5);
  const rejected = p <= alpha;
  const worst = knockouts.reduce((a, b) => (b.kl > a.kl ? b : a));
  const typical = quantile(Float64Array.from(counted, (one) => one.kl).sort(), 0.5);
  const figures = `KL ${nats(kl)} undamaged, ${nats(typical)} damaged (median), at worst ${nats(worst.kl)} (${worst.name})`;
  return lineOf('knockouts', {
    outcome: rejected ? 'against' : 'for',
    null_hypothesis:
      'With directions left out of both, circuit and model are as likely nearer to each other as they are further apart.',
    statistic: { name: 'knockouts with a larger KL', value: larger },
    n: { value: counted.length, of: 'knockouts' },
    p,
    claim: rejected
      ? `Not complete: damaged alike, circuit and model come apart: ${figures}.`
      : `Damaged alike, circuit and model stay as near as they are: ${figures}.`,
    limit: rejected
      ? 'The circuit stands for the undamaged model only: when it is damaged, the rest of the model does something.'
      : 'The greedy search is short: a worse knockout may exist. Its steps are not among those counted.',
    numbers: { kl, knockouts },
  });
}

export function adversaryLine(test: SplitMetrics | null): Line {
  const attack = test?.attack;
  if (!attack)
    return missing('adversary', 'the run was evaluated without an attack; evaluate it with --attack');
  const holds = verdictOf(attack) === 'holds';
  return lineOf('adversary', {
    outcome: holds ? 'for' : 'against',
    statistic: { name: 'KL under the adversary (nats)', value: attack.kl },
    n: { value: attack.n, of: 'prompts' },
    claim: holds
      ? `What is left out does not break the circuit when it comes back: an adversary drives its KL from ${nats(attack.plain_kl)} to ${nats(attack.kl)}.`
      : `What is left out breaks the circuit when some of it comes back: an adversary drives its KL from ${nats(attack.plain_kl)} to ${nats(attack.kl)}.`,
    limit: 'The adversary’s figure is a lower bound: a longer attack finds no less.',
    file: 'metrics.json',
  });
}

function present({ circuit, model, rest }: Scored): Record<keyof Scored, Float64Array> {
  const at = Array.from(circuit, (_, i) => i).filter((i) => !Number.isNaN(circuit[i]!));
  const some = (values: ArrayLike<number>) => Float64Array.from(at, (i) => values[i]!);
  return { circuit: some(circuit), model: some(model), rest: some(rest) };
}

/** `0.012 nats`. */
export function nats(value: number): string {
  return `${value < 0.0005 && value > 0 ? '<0.001' : value.toFixed(3)} nats`;
}

export function percentOf(share: number): string {
  return `${(100 * share).toFixed(0)} %`;
}
