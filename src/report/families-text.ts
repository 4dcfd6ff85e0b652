/** Families of prompts as rows and sentences: the same in the terminal and on the page. */
import type { Families, PartCircuit } from '../evidence/families-file.js';
import type { MeasuredSet } from '../evidence/measured-set.js';
import { count, decimal, percent } from './figures.js';
import type { TextColumn } from './text-table.js';

/** What the families were found in. */
export function familiesHead({ measured, families, asked, silhouettes }: Families): string {
  const { source, prompts } = measured;
  const { silhouette } = silhouettes.find((each) => each.families === families.length)!;
  const why = asked === null ? 'which separate best' : 'as asked for';
  return `${source}; ${families.length} families of ${count(prompts.train)} training prompts, ${why} (silhouette ${decimal(silhouette)}); measured on ${count(prompts.test)} test prompts`;
}

interface Row {
  name: string;
  prompts: number;
  own: MeasuredSet | null;
  joint: MeasuredSet | null;
  others: MeasuredSet | null;
}

/** A row for each family's circuit, each random part's, and the joint one. */
export function familiesColumns({ families, random, joint, measured }: Families): TextColumn[] {
  const row =
    (name: string) =>
    ({ prompts, own, joint, others }: PartCircuit, at: number): Row => ({
      name: `${name} ${at + 1}`,
      prompts: prompts.test,
      ...{ own, joint, others },
    });
  const rows: Row[] = [
    ...families.map(row('family')),
    ...random.map(row('random part')),
    { name: 'all, one circuit', prompts: measured.prompts.test, own: joint, joint, others: null },
  ];
  const kl = (of: (row: Row) => MeasuredSet | null) => rows.map((each) => decimal(of(each)?.kl ?? null));
  return [
    { heading: 'circuit of', texts: rows.map(({ name }) => name), align: 'left' },
    right(
      'prompts',
      rows.map(({ prompts }) => count(prompts)),
    ),
    right(
      'kept',
      rows.map(({ own, others }) => count((own ?? others)!.size)),
    ),
    right(
      'KL',
      kl(({ own }) => own),
    ),
    right(
      'f',
      rows.map(({ own }) => decimal(own?.f ?? null)),
    ),
    right(
      'one circuit, KL',
      kl(({ joint }) => joint),
    ),
    right(
      'KL elsewhere',
      kl(({ others }) => others),
    ),
  ];
}

/** What is to be read off it. */
export function familiesSentences({ together, joint, groups }: Families): string[] {
  const { families, random, difference } = together;
  const spread = ({ kl, confidence }: typeof difference) =>
    `${decimal(kl)} [${confidence.map((end) => decimal(end)).join(', ')}]`;
  return [
    `A family's circuit keeps ${decimal(families.kept, 1)} directions in the mean, a random part's ${decimal(random.kept, 1)}, the one circuit of all ${count(joint.size)}.`,
    `Each prompt with its family's circuit: KL ${decimal(families.kl)}, above the one circuit's by ${spread(families.above_joint)}, above random parts' by ${spread(difference)}.`,
    ...(groups === null
      ? []
      : [
          `Families beside the prompts' own groups: adjusted Rand index ${decimal(groups.test.adjusted_rand)}, purity ${percent(groups.test.purity)} on test prompts.`,
        ]),
  ];
}

/** Groups of the prompts beside their families; null where there are none. */
export function groupColumns({ groups, families }: Families): TextColumn[] | null {
  if (groups === null) return null;
  const { each } = groups;
  return [
    { heading: 'group', texts: each.map(({ group }) => group), align: 'left' },
    ...families.map((_, at) =>
      right(
        `family ${at + 1}`,
        each.map((group) => count(group.families[at]!)),
      ),
    ),
    right(
      'one circuit, KL',
      each.map(({ joint }) => decimal(joint.kl)),
    ),
    right(
      'f',
      each.map(({ joint }) => decimal(joint.f)),
    ),
  ];
}

function right(heading: string, texts: readonly string[]): TextColumn {
  return { heading, texts, align: 'right' };
}
