/** `compare.json`: methods that rank directions, held against each other at the same sizes. Its schema. */
import { z } from 'zod';
import { sha256 } from '../formats/file-hash.js';
import { RANKING_METHODS } from '../settings/choices.js';
import { intervals, measuredHow } from './measured.js';

const number = z.number();
const text = z.string();
const figure = number.nullable();
const interval = z.tuple([number, number]).nullable();

const cut = z.object({
  /** Share of all directions; null for the circuit's own size. */
  size: figure,
  /** Directions that were kept; of whole heads no more than the size allows. */
  kept: number,
  kl: number,
  exact_match: number,
  /** m, mean over prompts; null without distractors. */
  logit_diff: figure,
  /** (m(C) − m(∅)) / (m(M) − m(∅)), a ratio of means; null likewise, or where its denominator is not told from 0. */
  f: figure,
  confidence: z.object({ kl: interval, exact_match: interval, f: interval }),
});
export type Cut = z.infer<typeof cut>;

const area = z.object({ value: number, confidence: interval }).nullable();

const method = z.object({
  id: z.enum(RANKING_METHODS),
  title: text,
  /** Whether items come by score or by its size; null where scores have no sign. */
  ranking: z.enum(['signed', 'absolute']).nullable(),
  /** What is ranked: each direction; all of a head or of an MLP together; neurons and dimensions of heads. */
  unit: z.enum(['direction', 'head', 'neuron']),
  /** The ten sizes, then the circuit's own. */
  cuts: z.array(cut),
  /** Areas over the ten sizes; null where f is. */
  cpr: area,
  cmd: area,
  /** What ranking took; 0 where it is a by-product of another method's. */
  seconds: number,
  /** Prompts that were run forward, and forward and back. */
  forwards: number,
  gradients: number,
});
export type Method = z.infer<typeof method>;

const comparison = z.object({
  schema_version: z.literal(1),
  measured: z.object({
    ...measuredHow,
    ...intervals,
    basis: text,
    /** What attribution is of: the logit difference, the answer's log-probability, or the KL from nothing kept. */
    score: z.enum(['logit_diff', 'cross_entropy', 'kl']),
    /** Prompts by which directions were ranked, and on which cuts are measured. */
    ranked_on: z.object({ source: text, hash: sha256, pairs: number }),
    tested_on: z.object({ source: text, hash: sha256, pairs: number }),
  }),
  directions: number,
  /** Directions of the circuit that was learned. */
  own_size: number,
  /** m of the full model and with nothing kept; the share of prompts on which their difference is below a tenth of its mean. */
  full: figure,
  empty: figure,
  near_zero: figure,
  methods: z.array(method),
});
/** The content of `compare.json`. */
export type Comparison = z.infer<typeof comparison>;
