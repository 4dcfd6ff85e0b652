/** Axes of a chart: from values to places, with round ticks. */

interface Tick {
  value: number;
  label: string;
}

export interface Axis {
  /** 0 at the low end, 1 at the high one. */
  place(value: number): number;
  ticks: Tick[];
}

/** From 0 to the largest value, or to 1 if that is 0. */
export function linearAxis(largest: number): Axis {
  const end = largest > 0 ? largest : 1;
  const step = roundStep(end / 5);
  const ticks = Array.from({ length: Math.floor(end / step + 1e-9) + 1 }, (_, i) => tick(i * step));
  return { place: (value) => value / end, ticks };
}

/** Whole decades around positive values. */
export function logAxis(smallest: number, largest: number): Axis {
  const low = Math.floor(Math.log10(smallest));
  const high = Math.max(Math.ceil(Math.log10(largest)), low + 1);
  const every = Math.ceil((high - low) / 6);
  const between = high - low <= 2 ? [1, 2, 5] : [1];
  const ticks: Tick[] = [];
  for (let decade = low; decade <= high; decade += every)
    for (const factor of between)
      if (factor === 1 || decade < high) ticks.push(tick(Number(`${factor}e${decade}`)));
  return { place: (value) => (Math.log10(value) - low) / (high - low), ticks };
}

/** The smallest of 1, 2, 5 times a power of ten that is not below `least`. */
function roundStep(least: number): number {
  const magnitude = 10 ** Math.floor(Math.log10(least));
  return magnitude * ([1, 2, 5].find((factor) => factor * magnitude >= least * (1 - 1e-9)) ?? 10);
}

function tick(value: number): Tick {
  const rounded = Number(value.toPrecision(12));
  const plain = rounded === 0 || (rounded >= 1e-3 && rounded < 1e6);
  const label = plain
    ? rounded.toLocaleString('en-GB', { maximumFractionDigits: 9 })
    : rounded.toExponential();
  return { value, label: label.replace('e+', 'e').replace('-', '−') };
}
