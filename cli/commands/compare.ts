/** `orthoscope compare`: methods that rank directions, side by side. */
import { compare as compareMethods } from '../../src/commands/compare.js';
import type { Comparison } from '../../src/evidence/compare-file.js';
import { methodName, ownCut } from '../../src/evidence/methods.js';
import { comparedOn } from '../../src/report/compare-page.js';
import { count, decimal, percent } from '../../src/report/figures.js';
import { textTable } from '../../src/report/text-table.js';
import type { Handler } from '../context.js';
import { figures, names } from '../text.js';

export const compare: Handler<'compare'> = async (settings, context) => {
  const { run, comparison, report } = await compareMethods(settings, context);
  context.result(
    { run: run.path, report, ...comparison },
    `${comparisonText(comparison)}\n\nresults  ${run.path}\nreport   ${report}`,
  );
};

/** What the command prints. */
export function comparisonText(comparison: Comparison): string {
  const { methods, own_size, near_zero } = comparison;
  const column = (heading: string, text: (method: (typeof methods)[number]) => string) =>
    figures(heading, methods.map(text));
  const table = textTable([
    names('method', methods.map(methodName)),
    column('CMD', ({ cmd }) => decimal(cmd?.value ?? null)),
    column('CPR', ({ cpr }) => decimal(cpr?.value ?? null)),
    column('KL', (method) => decimal(ownCut(method).kl)),
    column('exact', (method) => percent(ownCut(method).exact_match)),
    column('f', (method) => decimal(ownCut(method).f)),
    column('seconds', ({ seconds }) => decimal(seconds, 1)),
  ]);
  return [
    comparedOn(comparison),
    '',
    table,
    '',
    `CMD and CPR over ten sizes; KL, exact match and f at ${count(own_size)} directions.`,
    ...(near_zero === null ? [] : [`f divides by something near 0 on ${percent(near_zero)} of the prompts.`]),
  ].join('\n');
}
