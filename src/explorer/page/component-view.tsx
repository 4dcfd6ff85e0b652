/** A component's spectrum: how large each direction is, its mask, and whether it is kept. */
import * as Plot from '@observablehq/plot';
import { count } from '../../report/figures.js';
import { ClustersNote } from './clusters-note.js';
import { Figure, number } from './figure.js';
import { Missing } from './missing.js';
import { OrderChoice } from './order-choice.js';
import { SizeNote } from './size-note.js';
import { useExplorer } from './state.js';
import { Switches } from './switches.js';
import { VirtualList } from './virtual-list.js';

export function ComponentView({ name }: { name: string }) {
  const { data, state, members, go, link } = useExplorer();
  const place = data.byName.get(name);
  if (!place) return <p class="notice">This run has no component of that name.</p>;
  const { soft, sigma } = data.values;
  const bySoft = state.sort === 'mask';
  const all = Array.from({ length: place.directions }, (_, index) => {
    const flat = place.start + index;
    return {
      flat,
      index,
      mask: soft?.[flat] ?? data.mask(flat),
      sigma: sigma?.[flat] ?? Number.NaN,
      kept: data.isKept(flat, members),
    };
  });
  if (bySoft) all.sort((a, b) => b.mask - a.mask);
  const rows = all.map((row, rank) => ({ ...row, rank }));
  const siblings = data.places.filter(({ layer }) => layer === place.layer);
  const x: Plot.ScaleOptions = {
    label: bySoft ? 'rank by mask' : 'index, by falling σ',
    labelAnchor: 'center',
    labelArrow: 'none',
    ticks: 6,
  };
  const shape = {
    symbol: ({ kept }: { kept: boolean }) => (kept ? 'circle' : 'times'),
    stroke: ({ kept }: { kept: boolean }) => (kept ? 'var(--accent)' : 'var(--warm)'),
  };
  return (
    <>
      <h1>
        {name}: {count(rows.filter(({ kept }) => kept).length)} of {count(place.directions)} kept
      </h1>
      <SizeNote />
      <ClustersNote place={place} />
      <Switches name={name} />
      <nav aria-label={`Layer ${place.layer}`} class="siblings">
        {siblings.map((sibling) => (
          <a
            key={sibling.name}
            href={link({ view: 'component', of: sibling.name })}
            aria-current={sibling.name === name ? 'page' : undefined}
          >
            {sibling.name}
          </a>
        ))}
      </nav>
      <OrderChoice />
      <div class="columns">
        {sigma ? (
          <Figure
            title="Singular values"
            how="Each mark is a direction: a blue circle is kept, an orange cross left out. The higher, the more of the component's matrix it is; a circuit need not keep the largest."
            on={[name, bySoft, members]}
            numbers={{
              columns: ['direction', 'σ', 'mask', 'kept'],
              rows: rows.map((row) => [`${name}.${row.index}`, row.sigma, row.mask, row.kept ? 'yes' : 'no']),
            }}
            draw={(width) =>
              Plot.plot({
                ariaLabel: `Singular values of ${name}`,
                width,
                height: 240,
                marginBottom: 42,
                x,
                y: { label: '↑ σ', grid: true, zero: true },
                marks: [Plot.dot(rows, { x: 'rank', y: 'sigma', r: 4, ...shape })],
              })
            }
          />
        ) : (
          <Missing
            what="Singular values are not in this run's folder"
            command={`orthoscope interpret ${data.core.folder} --out ${data.core.folder}/reading`}
          />
        )}
        <Figure
          title="Masks"
          how={`${soft ? 'Masks before they were rounded' : 'Masks as learned'}, from 0 (left out) to 1 (kept); marks as in the other picture. Masks between the ends were undecided.`}
          on={[name, bySoft, members]}
          numbers={{
            columns: ['direction', 'mask', 'final mask'],
            rows: rows.map((row) => [`${name}.${row.index}`, row.mask, data.mask(row.flat)]),
          }}
          draw={(width) =>
            Plot.plot({
              ariaLabel: `Masks of ${name}`,
              width,
              height: 240,
              marginBottom: 42,
              x,
              y: { label: '↑ mask', domain: [0, 1], grid: true },
              marks: [Plot.dot(rows, { x: 'rank', y: 'mask', r: 4, ...shape })],
            })
          }
        />
      </div>
      <h2>Directions</h2>
      <VirtualList
        label={`Directions of ${name}`}
        count={rows.length}
        height={330}
        onOpen={(at) => go({ view: 'direction', of: `${name}.${rows[at]!.index}` })}
        row={(at) => {
          const row = rows[at]!;
          return (
            <>
              <span class="name">
                {row.kept ? '●' : '○'} {name}.{row.index}
              </span>
              <span>σ {Number.isNaN(row.sigma) ? '–' : number(row.sigma)}</span>
              <span>mask {row.mask.toFixed(2)}</span>
              <span class="dim">{data.hasCard(row.flat) ? 'card' : ''}</span>
            </>
          );
        }}
      />
    </>
  );
}
