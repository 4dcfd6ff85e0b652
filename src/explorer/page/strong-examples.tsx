/** Where a direction's coefficient was largest in data that were scored. */
import type { StrongExample } from '../snapshot.js';
import { Figure } from './figure.js';
import { short, signed, visible } from './text.js';
import { largestOf, Tinted } from './tinted.js';

export function StrongExamples({ examples }: { examples: StrongExample[] }) {
  const largest = largestOf(examples.flatMap(({ values }) => values));
  return (
    <Figure
      title="Strongest in data"
      how="Where its coefficient was largest and smallest in the data that were scored; the last token is the example's own. The stronger a token's colour, the larger its value: blue positive, orange negative."
      numbers={{
        columns: ['data set', 'end', 'value', 'context'],
        rows: examples.map(({ data_set, end, value, tokens }) => [
          short(data_set),
          end,
          value,
          visible(tokens.join('')),
        ]),
      }}
    >
      <ul class="examples">
        {examples.slice(0, 20).map(({ data_set, end, value, tokens, values }, at) => (
          <li key={at}>
            <span class="value">{signed(value, 2)}</span>{' '}
            <span class="dim">
              {short(data_set, 20)}, {end}
            </span>{' '}
            <Tinted tokens={tokens} values={values} largest={largest} />
          </li>
        ))}
      </ul>
    </Figure>
  );
}
