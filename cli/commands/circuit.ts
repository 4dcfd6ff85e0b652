/** `orthoscope circuit`: a circuit in another form, or by component. */
import { circuit as convert } from '../../src/commands/circuit.js';
import type { CircuitFile } from '../../src/masks/circuit-file.js';
import { count } from '../../src/report/figures.js';
import { textTable } from '../../src/report/text-table.js';
import type { Handler } from '../context.js';
import { figures, names } from '../text.js';

export const circuit: Handler<'circuit'> = async (settings, context) => {
  const { circuit, file } = await convert(settings, context);
  const written = file === null ? '' : `\n\ncircuit ${file}`;
  context.result(file === null ? circuit : { file, ...circuit }, circuitText(circuit) + written);
};

/** What the command prints. */
export function circuitText({ components, basis }: CircuitFile): string {
  const rows = Object.entries(components).filter(([, { kept }]) => kept.length > 0);
  const total = (of: (component: CircuitFile['components'][string]) => number) =>
    Object.values(components).reduce((sum, component) => sum + of(component), 0);
  const kept = total((component) => component.kept.length);
  return [
    textTable([
      names(
        'component',
        rows.map(([name]) => name),
      ),
      figures(
        'kept',
        rows.map(([, component]) => count(component.kept.length)),
      ),
      figures(
        'of',
        rows.map(([, component]) => count(component.directions)),
      ),
    ]),
    '',
    `${count(kept)} of ${count(total(({ directions }) => directions))} directions of the basis ${basis ?? 'that is not named'}, in ${count(rows.length)} of ${count(Object.keys(components).length)} components`,
  ].join('\n');
}
