/** Tokens at both ends of a direction: what it raises and lowers, or what it answers to. */
import { Figure, number } from './figure.js';
import { Token, visible } from './text.js';

type TokenAt = { id: number; token: string; value: number };

export function TokenEnds({
  title,
  how,
  unit,
  up,
  down,
  names,
}: {
  title: string;
  how: string;
  unit: string;
  up: TokenAt[];
  down: TokenAt[];
  names: [string, string];
}) {
  const largest = Math.max(...[...up, ...down].map(({ value }) => Math.abs(value)), 1e-9);
  const side = (tokens: TokenAt[], name: string, sign: string) => (
    <table class="ends">
      <caption>
        {sign} {name}
      </caption>
      <tbody>
        {tokens.map(({ id, token, value }) => (
          <tr key={id}>
            <th scope="row">
              <Token>{token}</Token>
            </th>
            <td>
              <span
                class={value >= 0 ? 'bar up' : 'bar down'}
                style={{ width: `${(56 * Math.abs(value)) / largest}px` }}
              />{' '}
              {value >= 0 ? '+' : ''}
              {number(value)}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
  return (
    <Figure
      title={title}
      how={how}
      numbers={{
        columns: ['token', unit, 'end', 'id'],
        rows: [
          ...up.map((each) => [visible(each.token), each.value, names[0], each.id]),
          ...down.map((each) => [visible(each.token), each.value, names[1], each.id]),
        ],
      }}
    >
      <div class="pair">
        {side(up, names[0], '+')}
        {side(down, names[1], '−')}
      </div>
    </Figure>
  );
}
