/** Is a named group of heads kept more than others of the same layers? By permutations, corrected over groups. */
import { z } from 'zod';
import { InputError } from '../errors.js';
import { readJson } from '../formats/json-file.js';
import { inputErrorOf } from '../formats/schema-error.js';
import { parseNode } from '../masks/node-files.js';
import { benjaminiHochberg } from '../statistics/multiple-testing.js';
import { groupAgainstRest } from '../statistics/permutation.js';
import { lineOf, missing, percentOf } from './lines.js';
import type { OutsideGroup } from './outside-heads.js';
import { sidesOf, type TestedCircuit } from './tested-circuit.js';
import type { Line } from './verdict-file.js';

const text = z.string();

/** Groups by their names, or heads with theirs, as `heads --json` prints them. */
const groupsFile = z.union([
  z.object({
    /** Where the roles were published. */
    source: text.optional(),
    groups: z.record(text, z.array(text)),
  }),
  z.object({ heads: z.array(z.object({ head: text, names: z.array(text) })) }),
]);

export interface HeadGroups {
  /** Where they come from, in words; null where the file does not say it. */
  source: string | null;
  /** Heads as `L9H6`, by the group's name. */
  groups: Map<string, string[]>;
}

/** @throws InputError if the file holds no groups, or what is no head */
export async function readHeadGroups(path: string): Promise<HeadGroups> {
  const content = await readJson(path);
  const result = groupsFile.safeParse(content);
  if (!result.success) throw inputErrorOf(result.error, path, content);
  const groups = new Map<string, string[]>();
  const add = (group: string, head: string) => {
    const node = parseNode(head);
    if (node?.head === undefined) throw new InputError(`${path}: "${head}" is no head (L9H6, 9.6, a9.h6)`);
    groups.set(group, [...(groups.get(group) ?? []), `L${node.layer}H${node.head}`]);
  };
  const { data } = result;
  if ('groups' in data)
    for (const [group, heads] of Object.entries(data.groups)) for (const head of heads) add(group, head);
  else for (const { head, names } of data.heads) for (const name of names) add(name, head);
  if (groups.size === 0) throw new InputError(`${path}: holds no group of heads`);
  return {
    source: 'groups' in data ? (data.source ?? null) : 'heads that were named by what they do',
    groups,
  };
}

export interface GroupTest {
  group: string;
  heads: string[];
  /** Share of its heads' directions that is kept, above that of the other heads of the same layers. */
  difference: number;
  /** That by the standard deviation within layers and groups; null where nothing varies. */
  effect: number | null;
  p: number;
  /** False-discovery rate at which it is rejected. */
  q: number;
  exact: boolean;
  /** Heads that have others in their layer to compare with. */
  compared: number;
}

/**
 * Null hypothesis of each group: within a layer, which heads belong to it has nothing to do with how much of a head the
 * circuit keeps; against that they are kept more.
 * @throws InputError if the circuit's model has none of the heads
 */
export function headGroupTests(
  circuit: TestedCircuit,
  { groups }: HeadGroups,
  { permutations, seed }: { permutations: number; seed: number },
): GroupTest[] {
  const { kept } = sidesOf(circuit);
  const keeps = new Set(kept);
  const heads = new Map<string, { layer: number; kept: number; all: number }>();
  for (const component of circuit.masked) {
    if (component.head === undefined) continue;
    const { start, length } = circuit.layout.of(component);
    const name = `L${component.layer}H${component.head}`;
    const head = heads.get(name) ?? { layer: component.layer, kept: 0, all: 0 };
    for (let at = start; at < start + length; at++) head.kept += Number(keeps.has(at));
    head.all += length;
    heads.set(name, head);
  }
  const names = [...heads.keys()];
  const values = [...heads.values()];
  const tests = [...groups].map(([group, members]) => {
    const absent = members.find((head) => !heads.has(head));
    if (absent !== undefined)
      throw new InputError(`--groups: "${group}" names ${absent}, of which this circuit has no masks`);
    const found = groupAgainstRest(
      values.map((head) => head.kept / head.all),
      names.map((name) => members.includes(name)),
      values.map(({ layer }) => layer),
      { alternative: 'greater', permutations, seed },
    );
    const { difference, effect, p, exact, members: compared } = found;
    return { group, heads: members, difference, effect, p, exact, compared };
  });
  const adjusted = benjaminiHochberg(tests.map(({ p }) => p));
  return tests.map((test, i) => ({ ...test, q: adjusted[i]! }));
}

export function headGroupsLine(
  tests: readonly GroupTest[],
  { source }: Pick<HeadGroups, 'source'>,
  { alpha }: { alpha: number },
  outside: readonly OutsideGroup[] = [],
): Line {
  const compared = tests.filter((test) => test.compared > 0);
  if (compared.length === 0) return missing('head_groups', 'no group has other heads in its layers');
  const more = compared.filter(({ q }) => q <= alpha).sort((a, b) => a.q - b.q);
  const listed = (some: readonly GroupTest[]) =>
    some.map(
      ({ group, difference }) => `${group} (${difference < 0 ? '−' : '+'}${percentOf(Math.abs(difference))})`,
    );
  return lineOf('head_groups', {
    outcome: more.length > 0 ? 'for' : 'open',
    null_hypothesis:
      'Within a layer, which heads belong to the group has nothing to do with how much of a head the circuit keeps (of each group).',
    statistic: { name: 'groups that are kept more', value: more.length },
    n: { value: compared.length, of: 'groups' },
    p: Math.min(...compared.map(({ p }) => p)),
    correction: {
      method: 'benjamini-hochberg',
      tests: tests.length,
      p: Math.min(...compared.map(({ q }) => q)),
    },
    claim:
      more.length > 0
        ? `More of these heads is kept than of others of their layers: ${listed(more).join(', ')}.${outsideText(outside)}`
        : `Of no group more is kept than of other heads of its layers, as far as can be told: ${listed(compared).join(', ')}.${outsideText(outside)}`,
    limit: `Groups are taken as they were named${source === null ? '' : ` (${source})`}; small ones can hardly differ from chance.`,
    numbers: { source, groups: tests, outside },
  });
}

const signed = (value: number) => value.toFixed(2).replace('-', '−');

/** The head outside that does most where its group is gone, of each group. */
function outsideText(outside: readonly OutsideGroup[]): string {
  const most = outside.flatMap(({ group, heads: [first] }) =>
    first === undefined
      ? []
      : `${first.head} beside ${group} (${signed(first.on_top.value)} on top, ${signed(first.alone.value)} alone)`,
  );
  return most.length === 0 ? '' : ` Of heads outside, ablated, most is lost by ${most.join(', ')}.`;
}
