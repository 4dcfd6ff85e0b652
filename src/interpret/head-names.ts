/** The field's names for heads, by how they attend on random tokens that are repeated once. */

import type { LongCall } from '../progress.js';
import { Random } from '../random.js';
import type { Subject } from '../run/subject.js';
import { headsSettings } from '../settings/interpret-settings.js';
import { defaultsOf } from '../settings/table.js';
import { type GenericSequences, genericSequences, type Pattern } from './generic-sequences.js';
import { headAttention } from './head-attention.js';
import type { TakenApart } from './taken-apart.js';

/** Names whose figure reaches `from`, the largest first. */
export function namesOf<Name extends string>(figures: Record<Name, number>, from: number): Name[] {
  return (Object.keys(figures) as Name[])
    .filter((name) => figures[name] >= from)
    .sort((a, b) => figures[b] - figures[a]);
}

/** Sequences for a model. */
export function sequencesFor(
  { model, tokenizer }: Subject,
  { sequences, length, seed }: { sequences: number; length: number; seed: number },
): GenericSequences {
  const { nVocab, nPositions } = model.architecture;
  return genericSequences(
    {
      nVocab: Math.min(nVocab, tokenizer?.size ?? nVocab),
      lead: tokenizer?.addsBos ? tokenizer.encode('') : [],
      nPositions,
      count: sequences,
      length,
    },
    new Random(seed).fork('generic sequences'),
  );
}

/** Tokens of the shortest round that tells patterns apart. */
const LEAST = 4;

/** What the heads of some components are called, by component; as `heads` does it unless told otherwise. */
export async function patternNames(
  apart: TakenApart,
  subject: Subject,
  components: readonly { name: string; layer: number; head?: number }[],
  seed: number,
  call: LongCall = {},
): Promise<Map<string, Pattern[]>> {
  const { sequences, length, namedFrom } = defaultsOf(headsSettings);
  const { nPositions, nHeads, nVocab } = subject.model.architecture;
  const own = components.filter(({ head }) => head !== undefined);
  const most = Math.min(length, Math.floor(nPositions / 2) - 1, nVocab - 1);
  // A model of a few tokens or positions has no room for two rounds.
  if (own.length === 0 || most < LEAST) return new Map();
  const generic = sequencesFor(subject, { sequences, length: most, seed });
  const { heads } = await headAttention(apart, generic, [], call);
  return new Map(
    own.map(({ name, layer, head }) => [name, namesOf(heads[layer * nHeads + head!]!.shares, namedFrom)]),
  );
}
