/** `heads`: the field's names for a model's heads, and for single directions, with the figures behind them. */

import { type ParquetColumn, type ParquetGroup, writeParquet } from '../formats/parquet-file.js';
import { directionName } from '../interpret/coefficients.js';
import { copyingOf } from '../interpret/copying.js';
import { PATTERNS, type Pattern } from '../interpret/generic-sequences.js';
import { type HeadAttention, headAttention, type PatternShares } from '../interpret/head-attention.js';
import { namesOf, sequencesFor } from '../interpret/head-names.js';
import { chosenDirections, inherited, withTakenApart } from '../interpret/open.js';
import { estimateReading, type ReadingEstimate } from '../interpret/reading-estimate.js';
import { embeddingsThroughMlp } from '../interpret/token-stream.js';
import { isHead } from '../models/components.js';
import type { Listener } from '../progress.js';
import { sourceOf } from '../run/source.js';
import type { Given } from '../settings/commands.js';
import { complete } from '../settings/complete.js';

export type HeadName = Pattern | 'copying' | 'anti-copying';

export interface NamedHead {
  /** `L9H6`. */
  head: string;
  /** Those whose figure reaches `--named-from`, the largest first. */
  names: HeadName[];
  attention: PatternShares;
  /** Offsets that it looks at most. */
  offsets: HeadAttention['offsets'];
  copying: number;
  anti_copying: number;
}

export interface NamedDirection {
  direction: string;
  names: HeadName[];
  /** Of QK: the head's attention with it alone, and without it. */
  alone: PatternShares | null;
  without: PatternShares | null;
  /** Of OV: −1 to 1. */
  copying: number | null;
}

export interface HeadsOutcome {
  sequences: number;
  /** Tokens of one round. */
  length: number;
  /** What attention spread evenly would give each single key. */
  even: number;
  heads: NamedHead[];
  directions: NamedDirection[];
}

/** Tokens that copying is tried on, at most: the share's standard error is at most 0.05. */
const COPIED = 100;

/**
 * Names heads by what they do on random tokens that are repeated once.
 * @example
 * const { heads } = await heads({ run: 'gpt2' });
 * heads.filter(({ names }) => names.includes('induction'));
 */
export async function heads(given: Given<'heads'>, listener: Listener = {}): Promise<HeadsOutcome> {
  const { model, run } = await sourceOf(given.run, given.model);
  const settings = complete('heads', given, inherited('heads', run, {}));
  const { directions: list, threshold, namedFrom } = settings;
  return withTakenApart(
    { ...settings, model, run },
    () => ['qk', 'ov'],
    listener,
    async ({ subject, engine, apart, masks }) => {
      const chosen =
        list === null
          ? []
          : chosenDirections({ list, kinds: null, threshold }, subject, masks).filter(({ component }) =>
              isHead(component),
            );
      const [qk, ov] = (['qk', 'ov'] as const).map((kind) =>
        chosen.filter(({ component }) => component.kind === kind),
      );
      const generic = sequencesFor(subject, settings);
      const looked = await headAttention(apart, generic, qk!, listener);
      const embedding =
        settings.embedding === 'mlp0'
          ? await embeddingsThroughMlp(engine, subject.model, apart.ends)
          : apart.ends.embed;
      const tokens = [...new Set(generic.sequences.flatMap((ids) => [...ids.slice(generic.lead)]))].slice(
        0,
        COPIED,
      );
      const copied = await copyingOf(apart, tokens, embedding, ov!, listener);
      const named = (figures: Record<HeadName, number>) => namesOf(figures, namedFrom);
      const whole = generic.lead + 2 * generic.length;
      const found: HeadsOutcome = {
        sequences: settings.sequences,
        length: settings.length,
        even: 2 / (whole + generic.lead + generic.length + 1),
        heads: looked.heads.map(({ layer, head, shares, offsets }, at) => {
          const { copying, anti } = copied.heads[at]!;
          return {
            head: `L${layer}H${head}`,
            names: named({ ...shares, copying, 'anti-copying': anti }),
            attention: shares,
            offsets,
            ...{ copying, anti_copying: anti },
          };
        }),
        directions: chosen.map((direction) => {
          const attention = looked.directions.find((each) => each.direction === direction);
          const at = ov!.indexOf(direction);
          const copying = at === -1 ? null : copied.directions[at]!;
          const shares = attention?.alone ?? { previous: 0, duplicate: 0, induction: 0, first: 0 };
          return {
            direction: directionName(direction),
            names: named({ ...shares, copying: copying ?? 0, 'anti-copying': -(copying ?? 0) }),
            ...{ alone: attention?.alone ?? null, without: attention?.without ?? null, copying },
          };
        }),
      };
      if (settings.table !== null) await writeHeads(settings.table, found);
      return found;
    },
  );
}

const SHARE = 'share of attention; of a direction, of its head with it alone';

const COLUMNS: readonly ParquetColumn[] = [
  { name: 'name', type: 'STRING' },
  { name: 'is_head', type: 'BOOLEAN' },
  { name: 'names', type: 'JSON' },
  ...PATTERNS.map((name): ParquetColumn => ({ name, type: 'DOUBLE', nullable: true, unit: SHARE })),
  ...PATTERNS.map(
    (pattern): ParquetColumn => ({
      ...{ name: `without_${pattern}`, type: 'DOUBLE', nullable: true },
      unit: 'the same of the head without the direction',
    }),
  ),
  { name: 'copying', type: 'DOUBLE', nullable: true, unit: 'share of tokens; of a direction, -1 to 1' },
  { name: 'anti_copying', type: 'DOUBLE', nullable: true },
  { name: 'offsets', type: 'JSON', nullable: true },
];

/** A row for each head, and for each direction that was asked for. */
function writeHeads(path: string, { heads, directions, sequences, length }: HeadsOutcome): Promise<void> {
  const shares = (own: PatternShares | null, prefix = '') =>
    Object.fromEntries(PATTERNS.map((pattern) => [`${prefix}${pattern}`, own?.[pattern] ?? null]));
  const rows: Record<string, unknown>[] = [
    ...heads.map(({ head, attention, ...row }) => ({
      ...{ ...row, ...shares(attention), ...shares(null, 'without_') },
      ...{ name: head, is_head: true },
    })),
    ...directions.map(({ direction, alone, without, ...row }) => ({
      ...{ ...row, ...shares(alone), ...shares(without, 'without_') },
      ...{ name: direction, is_head: false, anti_copying: null, offsets: null },
    })),
  ];
  const columns = COLUMNS.map(({ name }) => rows.map((row) => row[name]));
  const metadata = { schema_version: '1', sequences: String(sequences), length: String(length) };
  return writeParquet(path, COLUMNS, metadata, [columns as ParquetGroup]);
}

/** What {@link heads} would take. */
export async function estimateHeads(
  given: Given<'heads'>,
  listener: Listener = {},
): Promise<ReadingEstimate> {
  const { model, run } = await sourceOf(given.run, given.model);
  const settings = complete('heads', given, inherited('heads', run, {}));
  const { directions: list, threshold } = settings;
  return estimateReading({ ...settings, model, run }, listener, (subject, masks) => {
    const chosen = list === null ? [] : chosenDirections({ list, kinds: null, threshold }, subject, masks);
    return {
      directions: chosen.filter(({ component }) => isHead(component)).length,
      kinds: ['qk', 'ov'],
      lengths: sequencesFor(subject, settings).sequences.map(({ length }) => length),
      pulled: false,
      // Copying is tried against all tokens.
      receptors: true,
    };
  });
}
