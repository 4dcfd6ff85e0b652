/** `heads`: the field's names for a model's heads, and for single directions, with the figures behind them. */

import { directionName } from '../interpret/coefficients.js';
import { copyingOf } from '../interpret/copying.js';
import { genericSequences, type Pattern } from '../interpret/generic-sequences.js';
import { type HeadAttention, headAttention, type PatternShares } from '../interpret/head-attention.js';
import { chosenDirections, inherited, withTakenApart } from '../interpret/open.js';
import { embeddingsThroughMlp } from '../interpret/token-stream.js';
import { isHead } from '../models/components.js';
import type { Listener } from '../progress.js';
import { Random } from '../random.js';
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
      const { architecture } = subject.model;
      const chosen =
        list === null
          ? []
          : chosenDirections({ list, kinds: null, threshold }, subject, masks).filter(({ component }) =>
              isHead(component),
            );
      const [qk, ov] = (['qk', 'ov'] as const).map((kind) =>
        chosen.filter(({ component }) => component.kind === kind),
      );
      const { tokenizer } = subject;
      const generic = genericSequences(
        {
          nVocab: Math.min(architecture.nVocab, tokenizer?.size ?? architecture.nVocab),
          lead: tokenizer?.addsBos ? tokenizer.encode('') : [],
          nPositions: architecture.nPositions,
          count: settings.sequences,
          length: settings.length,
        },
        new Random(settings.seed).fork('generic sequences'),
      );
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
      const named = (figures: Record<HeadName, number>) =>
        (Object.keys(figures) as HeadName[])
          .filter((name) => figures[name] >= namedFrom)
          .sort((a, b) => figures[b] - figures[a]);
      const whole = generic.lead + 2 * generic.length;
      return {
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
    },
  );
}
