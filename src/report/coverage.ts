/** Which parts of a model have masks and which run whole, in words. */
import type { Metrics } from '../evaluate/metrics-file.js';
import { count } from './figures.js';

/** E.g. `masked: qk, 1 of 12 ov; the other 35 components run whole, 763 directions`; null where all are masked. */
export function coverageText({ coverage }: Metrics): string | null {
  const kinds = Object.entries(coverage);
  const whole = kinds.reduce((sum, [, { components, masked }]) => sum + components - masked, 0);
  if (whole === 0) return null;
  const masked = kinds
    .filter(([, kind]) => kind.masked > 0)
    .map(([name, kind]) =>
      kind.masked === kind.components ? name : `${kind.masked} of ${kind.components} ${name}`,
    );
  const directions = kinds.reduce((sum, [, { whole_directions }]) => sum + whole_directions, 0);
  return `masked: ${masked.join(', ')}; the other ${count(whole)} components run whole, ${count(directions)} directions`;
}
