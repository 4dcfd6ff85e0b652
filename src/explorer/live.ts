/** What the page may ask of an engine behind it, and what it gets. Types alone, for both sides. */
import type { AttackMetrics } from '../evaluate/attack-figures.js';
import type { Score } from '../evaluate/metrics.js';
import type { CardSoFar, PromptCard } from '../interpret/prompt-card.js';
import type { Edit } from './edit.js';

/** Means over prompts; null where none could be scored. */
export interface LiveScores extends Record<Score, number | null> {
  /** Directions with a mask above the threshold. */
  kept: number;
  /** Prompts that were scored, of how many. */
  prompts: number;
  of: number;
}

export interface TypedPrompt {
  prompt: string;
  corrupted: string | null;
  answer: string | null;
  distractor: string | null;
}

/** Without what random shares do, which takes longer than a few steps. */
export interface LiveAttack extends Omit<AttackMetrics, 'seen' | 'random'> {
  /** Pairs that the adversary saw. */
  pairs: number;
}

/** What an attack found so far; without the random set, whose turn comes last. */
export interface AttackSoFar
  extends Pick<LiveAttack, 'plain_kl' | 'kl' | 'starts' | 'steps' | 'pairs' | 'n'> {
  control?: undefined;
}

export interface Activations {
  tokens: string[];
  /** The direction's coefficient σ_k y_k at each token. */
  values: number[];
}

/** By name: what is asked, what is answered, and what may come before that. */
export interface Asks {
  scores: { ask: { edit: Edit }; answer: LiveScores };
  /** A test prompt by its place, or one that was typed. */
  prompt: {
    ask: { edit: Edit; at: number } | { edit: Edit; typed: TypedPrompt };
    answer: PromptCard;
    part: CardSoFar;
  };
  attack: { ask: { edit: Edit; steps: number }; answer: LiveAttack; part: AttackSoFar };
  activations: { ask: { direction: string; text: string }; answer: Activations };
  /** `path`: the file that was written; `command`: what measures it. */
  save: { ask: { edit: Edit; name: string }; answer: { path: string; command: string } };
}

export type AskName = keyof Asks;

/** What is known of an answer before it is whole. */
export type PartOf<Name extends AskName> = Asks[Name] extends { part: infer Part } ? Part : never;

/** A line of an answer; the last one holds `answer` or `error`. */
export interface LiveLine {
  progress?: { stage: string; done: number; total: number; note?: string };
  /** What is known already; a later one, or the answer, takes its place. */
  part?: unknown;
  answer?: unknown;
  /** In one line: what is wrong, and what to do. */
  error?: string;
}
