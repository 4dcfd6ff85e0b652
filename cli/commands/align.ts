/** `orthoscope align`: learned subspaces of components beside their singular directions, as a table. */
import { align as alignComponents } from '../../src/commands/align.js';
import type { Alignment } from '../../src/evidence/align-file.js';
import { count, decimal, duration } from '../../src/report/figures.js';
import { textTable } from '../../src/report/text-table.js';
import type { Handler } from '../context.js';
import { figures, names } from '../text.js';

export const align: Handler<'align'> = async (settings, context) => {
  const { alignment, file, basisFile } = await alignComponents(settings, context);
  context.result(
    { file, basisFile, ...alignment },
    `${alignmentText(alignment)}\n\nfigures  ${file}\nbasis    ${basisFile}`,
  );
};

/** What the command prints. */
export function alignmentText({ measured, components, kl, seconds }: Alignment): string {
  const column = (heading: string, text: (one: (typeof components)[number]) => string) =>
    figures(heading, components.map(text));
  const kept = [
    ['learned subspaces', kl.learned],
    ['top σ, as many', kl.top_sigma],
    ["circuit's directions", kl.circuit],
    ['random, as many', kl.random],
    ['nothing', kl.nothing],
  ] as const;
  return [
    `${measured.test.source}; learned on ${count(measured.train.pairs)} pairs, measured on ${count(measured.test.pairs)}`,
    '',
    textTable([
      names(
        `of ${components.length === 1 ? components[0]!.component : 'all of them'} kept`,
        kept.map(([name]) => name),
      ),
      figures(
        'KL (nats)',
        kept.map(([, value]) => decimal(value)),
      ),
    ]),
    '',
    textTable([
      names(
        'dimensions shared with',
        components.map(({ component }) => component),
      ),
      column('size', ({ size, span }) => `${count(size)} of ${count(span)}`),
      column('top σ', ({ shared: { top_sigma: top } }) => decimal(top.dimensions, 2)),
      column('chance', ({ shared: { top_sigma: top } }) => decimal(top.chance, 2)),
      column('circuit', ({ shared: { circuit } }) =>
        circuit === null ? '–' : `${decimal(circuit.dimensions, 2)} (of ${count(circuit.directions)})`,
      ),
      column('chance ', ({ shared: { circuit } }) => decimal(circuit?.chance ?? null, 2)),
      column('95 % in top', ({ holding }) => count(holding)),
    ]),
    '',
    `took ${duration(seconds)}`,
  ].join('\n');
}
