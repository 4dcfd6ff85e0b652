/** What the explorer's page is given: by a file that holds it all, or by a server. Types alone, for both sides. */
import type { Metrics } from '../evaluate/metrics-file.js';
import type { Verdict } from '../evidence/verdict-file.js';
import type { PromptCard } from '../interpret/prompt-card.js';
import type { Reading } from '../interpret/readings.js';
import type { SizePoint } from '../interpret/size-curve.js';
import type { Kind } from '../models/components.js';
import type { MasksRow } from '../report/result-rows.js';

export interface SnapshotComponent {
  name: string;
  kind: Kind;
  layer: number;
  head: number | null;
  directions: number;
}

/** What `intervene` measured. */
export interface MeasuredIntervention {
  folder: string;
  change: string;
  at: string;
  directions: string[];
  /** Of the chosen directions and of controls: change of the logit difference with its interval. */
  effects: {
    set: string;
    way: string;
    scale: number;
    change: { value: number | null; interval: [number, number] | null };
    /** Share of prompts with a positive difference whose difference is negative afterwards. */
    flipped: { value: number | null };
    kl: { value: number | null };
  }[];
}

/** A place where a direction's value was large (`score`). */
export interface StrongExample {
  data_set: string;
  end: string;
  value: number;
  /** Tokens up to and with its own, and the direction's value at each. */
  tokens: string[];
  values: (number | null)[];
}

/** What a direction writes into another, or has from it (`edges`). */
export interface CardEdge {
  /** The other direction, or `embedding`, `position`, `bias`, `others`, or `logits`. */
  other: string;
  /** Of a query–key direction that reads: its query or its key. */
  side: string;
  /** What arrives in the reader's coefficient or score, and what that is foreseen to do to the logit difference. */
  value: number;
  predicted: number;
  low: number | null;
  high: number | null;
  /** What cutting it did; null where it was not cut. */
  measured: number | null;
}

/** A reading, and what other commands left on the same direction. */
export type DirectionCard = Reading & {
  examples?: StrongExample[];
  /** The strongest first. */
  edges?: { from: CardEdge[]; to: CardEdge[] };
};

/** How many runs keep each direction (`values.keeping`), the run itself among them. */
export interface Keeping {
  runs: number;
  /** Seeds of a sweep, or runs that `stability` compared. */
  from: 'sweep' | 'stability';
}

/** A figure over the seeds of a setting. */
export interface OverSeeds {
  mean: number | null;
  sd: number | null;
  interval: [number, number] | null;
}

/** The sweep that a run is of. */
export interface SweepOverview {
  name: string;
  /** Settings on the same model: what they differ in, and their figures over seeds. */
  settings: {
    name: string;
    seeds: number;
    kept: OverSeeds;
    kl: OverSeeds;
    faithfulness: OverSeeds;
    /** Nothing on the same prompts is both smaller and closer. */
    pareto: boolean;
    /** Whether the run is of it. */
    own: boolean;
    /** Id of one of its runs. */
    run: string;
  }[];
  /** Runs of the run's own setting, by seed. */
  runs: { id: string; seed: number; kept: number | null; kl: number | null; own: boolean }[];
  /** Jaccard index of what two of them keep, [runs][runs]. */
  jaccard: number[][];
  /** Over pairs of them, with what chance would give; null for one run. */
  agreement: {
    jaccard: number;
    jaccard_interval: [number, number] | null;
    chance: number;
    chance_by_component: number;
    rank_correlation: number | null;
    always: number;
    mostly: number;
    ever: number;
  } | null;
}

/** What is there at once. Values by direction are flat, component after component. */
export interface Core {
  schema_version: 1;
  title: string;
  /** The run's folder, as commands that the page shows name it. */
  folder: string;
  source: string;
  /** The split that headline figures are of. */
  split: string;
  threshold: number;
  components: SnapshotComponent[];
  /** Which directions are masked: `svd`, or `random:` and its seed; null where the masks do not say. */
  basis: string | null;
  metrics: Metrics;
  /** The headline split in words, as the terminal and the report have it. */
  said: {
    /** Whether the circuit holds under attack, and what that is to be held against; null where nobody attacked. */
    attack: string | null;
    control: string | null;
    /** To be known before any figure: null where masks had settled. */
    unsettled: string | null;
    rows: MasksRow[];
  };
  /** `verdict.json`, where there is one. */
  verdict: Verdict | null;
  sizes: SizePoint[] | null;
  keeping: Keeping | null;
  sweep: SweepOverview | null;
  interventions: MeasuredIntervention[];
  /** Flat indices of the directions that have a card, in the order of the cards. */
  cards: number[];
  prompts: { id: string; group: string | null; text: string }[];
  /** Which values by direction there are, in the order in which they follow. */
  values: ValueName[];
  /** The engine behind the page: how many test prompts it has at hand. Null where there is none. */
  live: { prompts: number } | null;
}

/**
 * Besides masks and σ what lists are sorted by, so that they need no cards, NaN where it is not known: by how much KL
 * grows without the direction, measured (`dropped`) or from the gradient (`estimate`), by how much the logit difference
 * then changes, what the direction adds to it, and how many runs keep it.
 */
export const VALUE_NAMES = [
  'masks',
  'soft',
  'sigma',
  'dropped',
  'estimate',
  'logit',
  'adds',
  'keeping',
] as const;
export type ValueName = (typeof VALUE_NAMES)[number];

export interface Snapshot {
  core: Core;
  values: Partial<Record<ValueName, Float32Array>>;
  cards: DirectionCard[];
  prompts: PromptCard[];
}

/** Parts that are packed by themselves, so that the first view waits for one alone. */
export const BLOCKS = ['core', 'cards', 'prompts'] as const;
export type BlockName = (typeof BLOCKS)[number];
