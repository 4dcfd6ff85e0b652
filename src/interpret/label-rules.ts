/**
 * A direction's short description by rule, where a person would write one: template text from its receptors, its
 * coefficients by group and its role among keys (docs/reading.md, "Labels").
 */
import { percent } from '../report/figures.js';
import type { Pattern } from './generic-sequences.js';
import type { Reading, SpeltRole } from './readings.js';

/** Tokens that are named of a list. */
const TOKENS = 3;
/** A class counts if it is told apart at this rate of false discoveries. */
const FOUND = 0.05;
/** Characters that are shown of a context. */
const CONTEXT = 40;

export function labelByRule(reading: Omit<Reading, 'label'>): string {
  const { head_names, contexts } = reading;
  const heads = (head_names ?? []).map((name) => HEADS[name]);
  const head = heads.length > 0 ? `${heads.join(' and ')} head: ` : '';
  const [strongest] = contexts ?? [];
  const context = strongest ? `; strongest after “${ending(strongest.text)}”` : '';
  return head + ofDirection(reading) + context;
}

const HEADS: Record<Pattern, string> = {
  previous: 'previous-token',
  duplicate: 'duplicate-token',
  induction: 'induction',
  first: 'first-token',
};

function ofDirection({
  raises,
  lowers,
  reads,
  reads_against,
  role,
  keys,
  groups,
  neurons,
}: Omit<Reading, 'label'>): string {
  if (role) return looking(role);
  if (keys) return `${tokens(reads)} look for ${tokens(keys)}`;
  if (!raises || !lowers) return `reads ${tokens(reads)}, against ${tokens(reads_against)}`;
  const neuron = neurons && neurons.length > 0 ? ` (neuron ${neurons[0]!.id})` : '';
  return use({ reads, reads_against, raises, lowers }, groups) + neuron;
}

/** The last characters of a context, whole characters. */
function ending(text: string): string {
  const characters = [...text];
  return characters.length > CONTEXT ? `…${characters.slice(-CONTEXT).join('')}` : text;
}

function looking({ classes, highest }: SpeltRole): string {
  const [best] = classes
    .filter(({ separation }) => separation !== null && separation.q < FOUND)
    .sort(
      (a, b) =>
        Math.abs(b.separation!.effect) - Math.abs(a.separation!.effect) || b.score.mean - a.score.mean,
    );
  if (!best) return `no class of keys told apart; highest ${tokens(highest)}`;
  const { separation, attention } = best;
  return separation!.effect > 0
    ? `looks for ${best.class} (${percent(attention.alone)} of attention alone, ${percent(attention.full)} in full)`
    : `looks away from ${best.class}`;
}

/** As it is used: a singular vector's sign is free, so one whose coefficients are negative reads and writes the reverse. */
function use(
  { reads, reads_against, raises, lowers }: Pick<Reading, 'reads' | 'reads_against' | 'raises' | 'lowers'>,
  groups: Reading['groups'],
): string {
  const text = (from: typeof reads, up: typeof reads, down: typeof reads) =>
    `${from ? `reads ${tokens(from)}, ` : ''}raises ${tokens(up)}, lowers ${tokens(down)}`;
  const [forward, reverse] = [text(reads, raises, lowers), text(reads_against, lowers, raises)];
  const all = Object.entries(groups ?? {});
  // One prompt has no interval: its mean alone decides.
  const positive = all.filter(([, { mean, low }]) => (low ?? mean) > 0).map(([name]) => name);
  const negative = all.filter(([, { mean, high }]) => (high ?? mean) < 0).map(([name]) => name);
  if (negative.length > 0 && positive.length === 0) return reverse;
  if (negative.length === 0) return forward;
  return `${forward} on ${positive.join(', ')}; the reverse on ${negative.join(', ')}`;
}

function tokens(list: readonly { token: string }[] | null): string {
  return (list ?? [])
    .slice(0, TOKENS)
    .map(({ token }) => `“${token}”`)
    .join(' ');
}
