/** A direction's card: what it writes, reads and looks for, what it does on prompts, and how much rests on it. */
import * as Plot from '@observablehq/plot';
import { decimal, percent } from '../../report/figures.js';
import type { DirectionCard, MeasuredIntervention, StrongExample } from '../snapshot.js';
import { Figure, number } from './figure.js';
import { Marking } from './marking.js';
import { Missing } from './missing.js';
import { useExplorer } from './state.js';
import { short, signed, Token, visible } from './text.js';
import { useLoaded } from './use-loaded.js';

export function DirectionView({ name }: { name: string }) {
  const { data, state, link } = useExplorer();
  const flat = data.flatOf(name);
  const card = useLoaded(async () => (flat === null ? null : data.card(flat)), [name]);
  if (flat === null) return <p class="notice">This run has no direction of that name.</p>;
  const place = data.placeOf(flat);
  const { sigma, soft } = data.values;
  const index = flat - place.start;
  const neighbour = (step: number) =>
    index + step >= 0 && index + step < place.directions ? `${place.name}.${index + step}` : null;
  return (
    <>
      <h1>
        {name} {state.names[name] && <em>{short(state.names[name])}</em>}
      </h1>
      <p class="facts">
        <span>{data.isKept(flat, state.size) ? '● in the circuit' : '○ left out'}</span>
        <span>σ {sigma ? number(sigma[flat]!) : '–'}</span>
        <span>mask {(soft?.[flat] ?? data.mask(flat)).toFixed(3)}</span>
        {card?.variance_share != null && (
          <span>
            {percent(card.variance_share)} of the variance of {place.name}
          </span>
        )}
        <a href={link({ view: 'component', of: place.name, sort: '' })}>all of {place.name}</a>
        {[-1, 1].map((step) => {
          const other = neighbour(step);
          return (
            other && (
              <a key={step} href={link({ of: other })}>
                {step < 0 ? '← ' : ''}
                {other}
                {step > 0 ? ' →' : ''}
              </a>
            )
          );
        })}
      </p>
      <Marking name={name} />
      {card === undefined ? (
        <p class="dim">Reading …</p>
      ) : card === null ? (
        <Missing
          what="What it writes, reads and does was not computed for this direction"
          command={`orthoscope interpret ${data.core.folder} --directions ${name} --out ${data.core.folder}/${name}`}
        />
      ) : (
        <Card card={card} />
      )}
      <Interventions name={name} />
    </>
  );
}

function Card({ card }: { card: DirectionCard }) {
  const { data } = useExplorer();
  const { raises, lowers, reads, reads_against, keys, keys_against, neurons, groups, examples } = card;
  const interpret = `orthoscope interpret ${data.core.folder} --out ${data.core.folder}/reading`;
  return (
    <>
      <Importance card={card} />
      <div class="columns">
        {raises && lowers && (
          <Ends
            title="Writes"
            how="Tokens whose logits a positive coefficient raises most, and lowers most; a negative coefficient does the opposite."
            unit="logits a unit"
            up={raises}
            down={lowers}
            names={['raises', 'lowers']}
          />
        )}
        {reads && reads_against && (
          <Ends
            title={keys ? 'Reads, as a query' : 'Reads'}
            how="Tokens that, alone in the stream, make its coefficient most positive, and most negative."
            unit="coefficient y"
            up={reads}
            down={reads_against}
            names={['positive', 'negative']}
          />
        )}
        {keys && keys_against && (
          <Ends
            title="Looks for, as keys"
            how="Tokens as keys by the factor with which they multiply the query's coefficient: with a positive coefficient it looks at the upper ones, with a negative one at the lower."
            unit="score a unit"
            up={keys}
            down={keys_against}
            names={['at', 'away from']}
          />
        )}
        {neurons && (
          <Figure
            title="Reads neurons"
            how="Hidden neurons with the largest entries in its input side."
            numbers={{
              columns: ['neuron', 'entry'],
              rows: neurons.map(({ id, value }) => [String(id), value]),
            }}
          >
            <p>{neurons.map(({ id, value }) => `${id} (${signed(value, 2)})`).join(', ')}</p>
          </Figure>
        )}
        {groups ? (
          <Groups card={card} />
        ) : (
          <Missing what="Its coefficient by group of prompts was not computed" command={interpret} />
        )}
      </div>
      {card.role && <Role card={card} />}
      {examples ? (
        <Examples examples={examples} />
      ) : (
        <Missing
          what="The strongest examples in data were not looked for"
          command={`orthoscope score ${data.core.folder} --data prompts.jsonl --out ${data.core.folder}/scores`}
        />
      )}
    </>
  );
}

function Importance({ card: { importance, adds } }: { card: DirectionCard }) {
  if (!importance && !adds) return null;
  const dropped = importance?.dropped ?? importance?.dropped_estimate;
  const added = importance?.added ?? importance?.added_estimate;
  const measured = importance?.dropped ? 'measured' : 'estimated from the gradient';
  return (
    <div class="tiles">
      {adds && <Fact name="adds to the logit difference" value={signed(adds.mean)} note={interval(adds)} />}
      {dropped && <Fact name="taken out of the circuit, KL" value={signed(dropped.kl)} note={measured} />}
      {dropped?.logit_difference != null && (
        <Fact name="and the logit difference" value={signed(dropped.logit_difference)} note={measured} />
      )}
      {added && (
        <Fact
          name="alone instead of nothing, KL"
          value={signed(added.kl)}
          note={importance?.added ? 'measured' : 'estimated from the gradient'}
        />
      )}
    </div>
  );
}

function Fact({ name, value, note }: { name: string; value: string; note: string }) {
  return (
    <div class="tile">
      <div class="dim">{name}</div>
      <div class="value">{value}</div>
      <div class="dim">{note}</div>
    </div>
  );
}

function interval({ low, high }: { low: number | null; high: number | null }): string {
  return low === null || high === null ? '' : `[${decimal(low)}, ${decimal(high)}]`;
}

type TokenAt = { id: number; token: string; value: number };

function Ends({
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

function Groups({ card }: { card: DirectionCard }) {
  const groups = Object.entries(card.groups!).map(([name, mean]) => ({
    name: short(name, 24),
    ...mean,
    low: mean.low ?? mean.mean,
    high: mean.high ?? mean.mean,
  }));
  return (
    <Figure
      title="By group of prompts"
      how="Mean coefficient at the last token over the prompts of each group, with its interval: where groups differ, the direction tells them apart."
      on={[card.direction]}
      numbers={{
        columns: ['group', 'mean', 'low', 'high', 'prompts'],
        rows: groups.map(({ name, mean, low, high, n }) => [name, mean, low, high, n]),
      }}
      draw={(width) =>
        Plot.plot({
          ariaLabel: `Mean coefficient of ${card.direction} by group of prompts`,
          width,
          height: 60 + 24 * groups.length,
          marginLeft: Math.min(170, 20 + 7 * Math.max(...groups.map(({ name }) => name.length))),
          marginBottom: 42,
          x: {
            label: 'coefficient',
            labelAnchor: 'center',
            labelArrow: 'none',
            grid: true,
            ticks: 5,
            nice: true,
          },
          y: { label: null, domain: groups.map(({ name }) => name) },
          marks: [
            Plot.ruleX([0], { stroke: 'var(--dim)' }),
            Plot.ruleY(groups, {
              y: 'name',
              x1: 'low',
              x2: 'high',
              stroke: 'var(--accent)',
              strokeWidth: 2.5,
            }),
            Plot.dot(groups, { y: 'name', x: 'mean', fill: 'var(--accent)', r: 4 }),
          ],
        })
      }
    />
  );
}

function Role({ card }: { card: DirectionCard }) {
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

function Examples({ examples }: { examples: StrongExample[] }) {
  const largest = Math.max(
    ...examples.flatMap(({ values }) => values.map((value) => Math.abs(value ?? 0))),
    1e-9,
  );
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
            {tokens.map((token, t) => (
              <bdi
                key={t}
                class={(values[t] ?? 0) >= 0 ? 'tinted up' : 'tinted down'}
                style={{ '--tint': `${Math.round((55 * Math.abs(values[t] ?? 0)) / largest)}%` }}
              >
                {visible(token)}
              </bdi>
            ))}
          </li>
        ))}
      </ul>
    </Figure>
  );
}

function Interventions({ name }: { name: string }) {
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
