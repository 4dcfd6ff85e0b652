/** What changing a direction was measured to do. */
import { decimal } from '../../report/figures.js';
import type { MeasuredIntervention } from '../snapshot.js';
import { Figure } from './figure.js';
import { Missing } from './missing.js';
import { useExplorer } from './state.js';
import { short, signed } from './text.js';

export function Interventions({ name }: { name: string }) {
  const { data } = useExplorer();
  const own = data.core.interventions.filter(({ directions }) => directions.includes(name));
  if (own.length === 0)
    return (
      <Missing
        what="No intervention on this direction was measured"
        command={`orthoscope intervene ${data.core.folder} --directions ${name} --out ${data.core.folder}/change-${name}`}
      />
    );
  return (
    <>
      {own.map((each) => (
        <Intervention key={each.folder} {...each} />
      ))}
    </>
  );
}

function Intervention({ folder, change, at, directions, effects }: MeasuredIntervention) {
  return (
    <Figure
      title={`Change measured: ${short(change)} at ${short(at)}`}
      how={`What happened to the logit difference when ${directions.length === 1 ? 'it' : `it and ${directions.length - 1} others`} were changed (${short(folder)}), beside random and outside directions changed alike.`}
      numbers={{
        columns: ['set', 'way', 'scale', 'change', 'low', 'high', 'KL'],
        rows: effects.map(({ set, way, scale, change: by, kl }) => [
          set,
          way,
          scale,
          by.value,
          by.interval?.[0] ?? null,
          by.interval?.[1] ?? null,
          kl.value,
        ]),
      }}
    >
      <ul>
        {effects.map(({ set, way, scale, change: by, kl }) => (
          <li key={`${set} ${way} ${scale}`}>
            {set}, {way}, ×{scale}: logit difference {signed(by.value)}{' '}
            {by.interval ? `[${decimal(by.interval[0])}, ${decimal(by.interval[1])}]` : ''}, KL{' '}
            {decimal(kl.value)}
          </li>
        ))}
      </ul>
    </Figure>
  );
}
