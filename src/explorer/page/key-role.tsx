/** What a query–key direction looks for on prompts: classes of keys with their tests, and how far back they are. */
import * as Plot from '@observablehq/plot';
import { percent } from '../../report/figures.js';
import type { DirectionCard } from '../snapshot.js';
import { Figure, number } from './figure.js';
import { short, signed, Token } from './text.js';

export function KeyRole({ card }: { card: DirectionCard }) {
  const { classes, highest, offsets, curve } = card.role!;
  return (
    <>
      <Figure
        title="What it looks for on prompts"
        how="By class of the token that is looked at: what the direction adds to its score (above the mean of all keys), how often the highest key is of the class, whether the class is told apart from the others (rank-biserial effect; q is adjusted for many tests), and what such keys get of the attention in full, from this direction alone, and without it."
        numbers={{
          columns: [
            'class',
            'score',
            'low',
            'high',
            'highest',
            'by chance',
            'effect',
            'q',
            'attention full',
            'alone',
            'without',
          ],
          rows: classes.map((own) => [
            short(own.class),
            own.score.mean,
            own.score.low,
            own.score.high,
            own.top,
            own.chance,
            own.separation?.effect ?? null,
            own.separation?.q ?? null,
            own.attention.full,
            own.attention.alone,
            own.attention.without,
          ]),
        }}
      >
        {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard */}
        <section class="scroll" aria-label="Classes of keys" tabIndex={0}>
          <table>
            <thead>
              <tr>
                {[
                  'class of key',
                  'score',
                  'highest key',
                  'by chance',
                  'effect',
                  'q',
                  'attention',
                  'alone',
                  'without',
                ].map((each) => (
                  <th scope="col" key={each}>
                    {each}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {classes.map((own) => (
                <tr
                  key={own.class}
                  class={
                    own.separation && own.separation.q < 0.05 && own.separation.effect > 0.5
                      ? 'circuit'
                      : undefined
                  }
                >
                  <th scope="row">{short(own.class, 40)}</th>
                  <td>{signed(own.score.mean, 2)}</td>
                  <td>{percent(own.top)}</td>
                  <td>{percent(own.chance)}</td>
                  <td>{signed(own.separation?.effect, 2)}</td>
                  <td>{own.separation ? number(own.separation.q) : '–'}</td>
                  <td>{percent(own.attention.full)}</td>
                  <td>{percent(own.attention.alone)}</td>
                  <td>{percent(own.attention.without)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </section>
        <p>
          Highest keys:{' '}
          {highest.slice(0, 8).map(({ id, token, score }) => (
            <span key={id}>
              <Token>{token}</Token> {signed(score, 2)}{' '}
            </span>
          ))}
        </p>
      </Figure>
      <Figure
        title="By distance"
        how={`What it adds to a key's score by how many tokens back that is${curve ? ' (dots: on prompts; line: of the mean key, moved)' : ''}.`}
        on={[card.direction]}
        numbers={{
          columns: ['tokens back', 'score', 'keys'],
          rows: offsets.map(({ offset, score, n }) => [offset, score, n]),
        }}
        draw={(width) =>
          Plot.plot({
            ariaLabel: `Score of ${card.direction} by distance`,
            width,
            height: 200,
            x: { label: 'tokens back →', ticks: 8, tickFormat: 'd' },
            y: { label: '↑ score', grid: true },
            marks: [
              Plot.ruleY([0], { stroke: 'var(--dim)' }),
              Plot.dot(offsets, { x: 'offset', y: 'score', fill: 'var(--accent)', r: 3.5 }),
              ...(curve
                ? [
                    Plot.line(curve.slice(0, 1 + Math.max(...offsets.map(({ offset }) => offset))), {
                      stroke: 'var(--warm)',
                    }),
                  ]
                : []),
            ],
          })
        }
      />
    </>
  );
}
