/** What all mechanisms leave open, and what they share. */
import type { Random } from '../../random.js';
import { words } from '../../tasks/words.js';
import { type Axes, type Code, scaled } from '../codes.js';

export interface MechanismOptions {
  /** Words that are copied as others are, but do not come in the prompts: a mechanism beside the one that is asked for. */
  unused: number;
  /** Words a stream axis, 1 or more; above 1, words are crowded and no direction belongs to one of them alone. */
  crowding: number;
}

/** A softmax score that leaves e⁻¹² for each other position. */
export const SCORE = 12;

/** What a written axis adds to its word's logit. */
export const LOGIT = 8;

/** Syllables that mean nothing. */
export const SYLLABLES = words(`
  ba de fi go ku la me ni po ru sa te vi wo zu bo di fa ge ki lo mu na pe ri so tu va we zi
`);

/** Words that stand where nothing reads them, so that there are more different prompts. */
export const FILLERS = words('maybe then also still often');

export const filler = (random: Random) => random.pick(FILLERS);

/** The words' codes. */
export function wordCodes(n: number, { crowding }: MechanismOptions, axes: Axes, random: Random): Code[] {
  return axes.crowded(n, Math.ceil(n / crowding), random);
}

/** Codes of different lengths in [1, 1.5) · length, so that singular values differ and every direction is one of its own. */
export function uneven(codes: readonly Code[], random: Random, length = 1): Code[] {
  return codes.map((code) => scaled(code, length * (1 + random.uniform() / 2)));
}
