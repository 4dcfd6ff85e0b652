/** A direction's card: what it writes, reads and looks for, what it does on prompts, and how much rests on it. */
import { useEffect } from 'preact/hooks';
import { decimal, percent } from '../../report/figures.js';
import type { DirectionCard } from '../snapshot.js';
import { AlikePanel } from './alike-panel.js';
import { ClustersNote } from './clusters-note.js';
import { EdgesFigure } from './edges-figure.js';
import { Figure, number } from './figure.js';
import { GroupMeans } from './group-means.js';
import { Interventions } from './interventions.js';
import { KeptBy } from './kept-by.js';
import { KeyRole } from './key-role.js';
import { Marking } from './marking.js';
import { Missing } from './missing.js';
import { OwnText } from './own-text.js';
import { useExplorer } from './state.js';
import { StrongExamples } from './strong-examples.js';
import { Switches } from './switches.js';
import { short, signed } from './text.js';
import { TokenEnds } from './token-ends.js';
import { useLoaded } from './use-loaded.js';

export function DirectionView({ name }: { name: string }) {
  const { data, state, members, link } = useExplorer();
  const flat = data.flatOf(name);
  const card = useLoaded(async () => (flat === null ? null : data.card(flat)), [name]);
  useEffect(() => {
    if (card) requestAnimationFrame(() => performance.mark('orthoscope card'));
  }, [card]);
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
        <span>{data.isKept(flat, members) ? '● in the circuit' : '○ left out'}</span>
        <span>σ {sigma ? number(sigma[flat]!) : '–'}</span>
        <span>mask {(soft?.[flat] ?? data.mask(flat)).toFixed(3)}</span>
        {card?.variance_share != null && (
          <span>
            {percent(card.variance_share)} of the variance of {place.name}
          </span>
        )}
        <KeptBy flat={flat} />
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
      {card?.label && <p>{short(card.label, 300)}</p>}
      <ClustersNote place={place} index={index} />
      <Marking name={name} />
      <Switches name={name} />
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
      <OwnText direction={name} />
      <Interventions name={name} />
    </>
  );
}

function Card({ card }: { card: DirectionCard }) {
  const { data } = useExplorer();
  const { raises, lowers, reads, reads_against, keys, keys_against, neurons, groups, examples, edges } = card;
  const interpret = `orthoscope interpret ${data.core.folder} --out ${data.core.folder}/reading`;
  return (
    <>
      <Importance card={card} />
      <div class="columns">
        {raises && lowers && (
          <TokenEnds
            title="Writes"
            how="Tokens whose logits a positive coefficient raises most, and lowers most; a negative coefficient does the opposite."
            unit="logits a unit"
            up={raises}
            down={lowers}
            names={['raises', 'lowers']}
          />
        )}
        {reads && reads_against && (
          <TokenEnds
            title={keys ? 'Reads, as a query' : 'Reads'}
            how="Tokens that, alone in the stream, make its coefficient most positive, and most negative."
            unit="coefficient y"
            up={reads}
            down={reads_against}
            names={['positive', 'negative']}
          />
        )}
        {keys && keys_against && (
          <TokenEnds
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
          <GroupMeans card={card} />
        ) : (
          <Missing what="Its coefficient by group of prompts was not computed" command={interpret} />
        )}
      </div>
      {card.role && <KeyRole card={card} />}
      <AlikePanel card={card} />
      {edges ? (
        <EdgesFigure direction={card.direction} edges={edges} />
      ) : (
        <Missing
          what="What it has from other directions and writes into them was not computed"
          command={`orthoscope edges ${data.core.folder} --out ${data.core.folder}/edges`}
        />
      )}
      {examples ? (
        <StrongExamples examples={examples} />
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
