/** Settings of commands that read a circuit: which directions, which prompt, and what is changed. */
import { z } from 'zod';
import { CHANGES, EMBEDDINGS, KINDS } from './choices.js';
import { evaluateSettings } from './run-settings.js';
import { listOf, number, oneOf, text, whole } from './schemas.js';
import { scoreSettings } from './score-settings.js';
import { table } from './table.js';

const optional = text.nullable();

/** Which directions are meant. */
export const chosenSettings = table(
  { group: 'Directions', determines: true },
  {
    directions: { ...scoreSettings.directions, default: 'active' },
    kinds: {
      schema: listOf(oneOf(KINDS)).nullable(),
      default: null,
      none: 'all',
      describe: 'Of these, only the ones of such components',
    },
    masks: scoreSettings.masks,
    threshold: scoreSettings.threshold,
  },
);

/** A prompt that is typed in. */
const typed = {
  corrupted: {
    schema: optional,
    default: null,
    describe: 'The same prompt without what decides its answer',
  },
  answer: {
    schema: optional,
    default: null,
    otherwise: 'the likeliest token',
    describe: 'What should follow the prompt, with its space: " Mary"',
  },
  distractor: {
    schema: optional,
    default: null,
    otherwise: 'the likeliest token after the corrupted prompt, or the second after the prompt',
    describe: 'What the answer is compared with',
  },
} as const;

export const typedSettings = table(
  { group: 'Prompt', determines: true },
  { prompt: { schema: optional, default: null, describe: 'One prompt instead of many' }, ...typed },
);

export const tracedSettings = table(
  { group: 'Prompt', determines: true },
  { prompt: { schema: text, describe: 'The prompt' }, ...typed },
);

const token = z.int('give the index of a token; from the end it is negative');

export const traceSettings = table(
  { group: 'Trace', determines: true },
  {
    head: {
      schema: z
        .string()
        .regex(/^L\d+H\d+$/, 'name a head such as L9H6')
        .nullable(),
      default: null,
      otherwise: 'the one that adds most to the logit difference',
      describe: 'Head whose attention is split by direction',
    },
    query: { schema: token, default: -1, describe: 'Token that the head looks from' },
    key: {
      schema: token.nullable(),
      default: null,
      otherwise: 'the one that it looks at most',
      describe: 'Token that it looks at',
    },
    top: { schema: whole(1, 1000), default: 8, describe: 'Rows of each table' },
    table: {
      schema: optional,
      default: null,
      path: true,
      describe: 'Parquet file for all rows of the tables',
    },
    ablate: {
      schema: optional,
      default: null,
      describe: 'Directions that write nothing at the last token, e.g. L9H6.ov.0-3',
    },
    scale: {
      schema: optional,
      default: null,
      describe: 'Directions that write a multiple there: L9H6.ov.0=2,L5.mlp_out=0.5',
    },
    patch: {
      schema: optional,
      default: null,
      describe:
        'Directions that write there what they do in the corrupted prompt, or in another: L9H6.ov.0=PROMPT',
    },
  },
);

export const interveneSettings = table(
  { group: 'Intervention', determines: true },
  {
    change: {
      schema: oneOf(CHANGES),
      default: 'corrupted',
      describe: 'What a coefficient becomes, times each of --scales',
    },
    scales: {
      schema: listOf(number({})),
      default: [1],
      describe: 'Factors, e.g. 1,2,5,10',
    },
    value: { schema: number({}), default: 0, describe: 'Coefficient of --change set and add' },
    group: {
      schema: optional,
      default: null,
      none: 'all prompts',
      describe: 'Of --change mean: only prompts of this group, as interpret names it',
    },
    at: {
      schema: text,
      default: 'last',
      describe: 'Tokens: last, all, indices such as 3 or -2, a text in the prompt, or class:NAME',
    },
    draws: { schema: whole(0, 1000), default: 5, describe: 'Draws of each control (0: no controls)' },
    unrelated: {
      schema: optional,
      default: null,
      path: true,
      otherwise: 'prompts of other tasks',
      describe: 'File of prompts that should not change',
    },
    unrelatedPairs: { schema: whole(0, 100_000), default: 96, describe: 'At most so many of them (0: none)' },
    level: evaluateSettings.level,
    resamples: evaluateSettings.resamples,
  },
);

export const edgesSettings = table(
  { group: 'Edges', determines: true },
  {
    at: {
      ...interveneSettings.at,
      describe: 'Tokens at which directions read: last, all, indices, or a text',
    },
    cuts: {
      schema: whole(0, 100_000),
      default: 200,
      describe: 'Edges that are cut in place, half the strongest, half drawn from the others (0: none)',
    },
    cutPairs: { schema: whole(1, 100_000), default: 32, describe: 'Prompts on which they are cut, at most' },
    graphEdges: {
      schema: whole(1, 1_000_000),
      default: 1000,
      describe: 'Edges in graph.json and graph.graphml: the strongest',
    },
    level: evaluateSettings.level,
    resamples: evaluateSettings.resamples,
  },
);

export const interpretSettings = table(
  { group: 'Reading', determines: true },
  {
    tokens: { schema: whole(1, 1000), default: 10, describe: 'Tokens at each end of each direction' },
    embedding: {
      schema: oneOf(EMBEDDINGS),
      default: 'plain',
      describe: "What stands for a token that is read: its embedding, or that and what layer 0's MLP adds",
    },
    queries: {
      schema: text,
      default: 'last',
      describe: "Tokens whose attention tells QK directions' roles: last, all, indices, or a text",
    },
    scores: {
      schema: optional,
      default: null,
      path: true,
      describe: "Folder of the model's scores, whose strongest contexts are shown",
    },
    exact: {
      schema: whole(0),
      default: 20,
      describe: 'Directions whose importance is measured and not estimated: those with the largest estimates',
    },
    mostPairs: {
      schema: whole(1).nullable(),
      default: null,
      otherwise: 'all',
      describe: 'At most so many prompts, the first ones',
    },
    traced: {
      schema: whole(0, 1000),
      default: 0,
      describe: "Prompts that are taken apart for the run's page, spread over all groups",
    },
    level: evaluateSettings.level,
  },
);

export const headsSettings = table(
  { group: 'Heads', determines: true },
  {
    directions: {
      schema: optional,
      default: null,
      otherwise: 'heads alone',
      describe: 'Single directions that are named, too: active, all, or names such as L5H1.qk,L5H1.ov.0-3',
    },
    sequences: {
      schema: whole(1, 1000),
      default: 8,
      describe: 'Sequences of random tokens, each of two equal rounds',
    },
    length: { schema: whole(4, 100_000), default: 15, describe: 'Tokens of one round' },
    namedFrom: {
      schema: number({ from: 0, to: 1 }),
      default: 0.4,
      describe: 'A head has a name if its figure reaches this',
    },
    embedding: { ...interpretSettings.embedding, default: 'mlp0' },
    table: {
      schema: optional,
      default: null,
      path: true,
      describe: 'Parquet file for all rows of the tables',
    },
  },
);

/** What is printed of it. */
export const shownSettings = table(
  { group: 'Reading', determines: false },
  { top: { schema: whole(1, 10_000), default: 12, describe: 'Directions that are shown' } },
);
