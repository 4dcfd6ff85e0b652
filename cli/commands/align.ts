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
export function alignmentText({ measured, components, together, seconds }: Alignment): string {
  const column = (heading: string, text: (one: (typeof components)[number]) => string) =>
    figures(heading, components.map(text));
  const lines = [
    `${measured.test.source}; learned on ${count(measured.train.pairs)} pairs, measured on ${count(measured.test.pairs)}`,
    '',
    textTable([
      names(
        'KL, of it kept:',
        components.map(({ component }) => component),
      ),
      column('dimensions', ({ size, span }) => `${count(size)} of ${count(span)}`),
      column('learned', ({ kl }) => decimal(kl.learned)),
      column('top σ', ({ kl }) => decimal(kl.top_sigma)),
      column('circuit', ({ kl }) => decimal(kl.circuit)),
      column('random', ({ kl }) => decimal(kl.random)),
      column('nothing', ({ kl }) => decimal(kl.nothing)),
    ]),
    '',
    textTable([
      names(
        'shared with',
        components.map(({ component }) => component),
      ),
      column(
        'top σ',
        ({ shared: { top_sigma: top } }) => `${decimal(top.dimensions, 2)} of ${top.directions}`,
      ),
      column('by chance', ({ shared: { top_sigma: top } }) => decimal(top.chance, 2)),
      column('circuit', ({ shared: { circuit }, size }) =>
        circuit === null ? '–' : `${decimal(circuit.dimensions, 2)} of ${Math.min(size, circuit.directions)}`,
      ),
      column('by chance ', ({ shared: { circuit } }) => decimal(circuit?.chance ?? null, 2)),
      column('95 % in top', ({ holding }) => count(holding)),
    ]),
    '',
  ];
  if (components.length > 1)
    lines.push(
      `All at once: KL ${decimal(together.learned)} (circuit ${decimal(together.circuit)}, nothing ${decimal(together.nothing)}).`,
    );
  return [...lines, `took ${duration(seconds)}`].join('\n');
}
