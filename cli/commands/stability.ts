/** `orthoscope stability`: what circuits of several runs have in common, as tables. */
import { basename } from 'node:path';
import { stability as compareRuns } from '../../src/commands/stability.js';
import type { MeasuredSet } from '../../src/evidence/measured-set.js';
import type { OnPrompts, Stability } from '../../src/evidence/stability-file.js';
import { count, decimal, NONE, percent } from '../../src/report/figures.js';
import { textTable } from '../../src/report/text-table.js';
import type { Handler } from '../context.js';
import { figures, names } from '../text.js';

export const stability: Handler<'stability'> = async (settings, context) => {
  const { stability, file } = await compareRuns(settings, context);
  context.result({ file, ...stability }, `${stabilityText(stability)}\n\nresults  ${file}`);
};

/** What the command prints. */
export function stabilityText({ runs, sets, on, spaces }: Stability): string {
  const blocks = on.map(
    (prompts) => `${prompts.source}, ${count(prompts.prompts)} prompts\n${setTable(prompts, runs)}`,
  );
  const agreed = sets
    ? [
        `${count(sets.core.length)} directions in all ${runs.length} circuits, ${count(sets.contingent.length)} in some, ${count(sets.noise.length)} in ${sets.noise_up_to === 1 ? 'one' : `at most ${sets.noise_up_to}`}.`,
      ]
    : ['The runs have different bases, and no direction in common: only spaces are compared.'];
  const shares = textTable([
    names(
      'spaces kept by',
      spaces.map(({ first, second }) => `${nameOf(runs, first)}, ${nameOf(runs, second)}`),
    ),
    figures(
      'shared',
      spaces.map(({ shared, smaller }) => (smaller === 0 ? NONE : percent(shared / smaller))),
    ),
    figures(
      'by chance',
      spaces.map(({ chance, smaller }) => (smaller === 0 ? NONE : percent(chance / smaller))),
    ),
  ]);
  return [...agreed, ...blocks, shares].join('\n\n');
}

function setTable(on: OnPrompts, runs: Stability['runs']): string {
  const rows: [string, MeasuredSet | null | undefined][] = [
    ['core', on.core],
    ['core and contingent', on.core_and_contingent],
    ['union', on.union],
    ...runs.map((_, at): [string, MeasuredSet] => [nameOf(runs, at), on.circuits[at]!]),
    ...runs.map((_, at): [string, MeasuredSet | undefined] => [
      `${nameOf(runs, at)} without the core`,
      on.own_parts?.[at],
    ]),
    ['nothing', on.nothing],
  ];
  const shown = rows.flatMap(([name, set]) => (set ? [{ name, set }] : []));
  const table = textTable([
    names(
      'keeping',
      shown.map(({ name }) => name),
    ),
    figures(
      'directions',
      shown.map(({ set }) => count(set.size)),
    ),
    figures(
      'KL',
      shown.map(({ set }) => decimal(set.kl)),
    ),
    figures(
      'exact',
      shown.map(({ set }) => percent(set.exact_match)),
    ),
    figures(
      'f',
      shown.map(({ set }) => decimal(set.f)),
    ),
  ]);
  if (!on.random) return table;
  const { beaten, of, p } = on.random;
  return `${table}\n${beaten} of ${of} random sets of the core's size lose as much as the core or more (p ${decimal(p)}).`;
}

/** Its folder's name, and its place in the list. */
function nameOf(runs: Stability['runs'], at: number): string {
  return `${at + 1} ${basename(runs[at]!.path)}`;
}
