/** The sweep that the run is of: settings by size and KL, and whether its seeds find the same directions. */
import { count, decimal } from '../../report/figures.js';
import type { SweepOverview } from '../snapshot.js';
import { ParetoFigure } from './pareto-figure.js';
import { SeedsFigure } from './seeds-figure.js';
import { useExplorer } from './state.js';
import { short } from './text.js';

export function SweepView() {
  const { data } = useExplorer();
  const { sweep } = data.core;
  if (!sweep)
    return (
      <p class="missing">
        This run is of no sweep: one plan over many seeds, tasks or prices.{' '}
        <code>orthoscope sweep plan.yaml</code> does one, and <code>orthoscope report</code> on a run of it
        shows it here.
      </p>
    );
  return (
    <>
      <h1>Sweep {short(sweep.name, 60)}</h1>
      <Agreement sweep={sweep} />
      {sweep.agreement && <SeedsFigure {...sweep} agreement={sweep.agreement} />}
      <ParetoFigure settings={sweep.settings} />
    </>
  );
}

function Agreement({ sweep: { agreement, runs } }: { sweep: SweepOverview }) {
  if (!agreement) return <p>This run’s setting has one seed: nothing says how stable its circuit is.</p>;
  const { jaccard, jaccard_interval: interval, chance, always, mostly, ever } = agreement;
  return (
    <p class="verdict">
      Of {count(ever)} directions that any of {count(runs.length)} seeds keeps,{' '}
      <strong>{count(always)} are kept by all</strong>, {count(mostly)} by half of them at least. Two seeds
      share {decimal(jaccard, 2)} of what either keeps
      {interval ? ` (${interval.map((end) => decimal(end, 2)).join(' to ')})` : ''}; sets drawn at random
      would share {decimal(chance, 2)}.
    </p>
  );
}
