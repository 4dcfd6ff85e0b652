/** Figures as text, the same in the terminal and on the page: rounded, but never to a perfection that was not measured. */

/** Stands where there is no figure. */
export const NONE = '–';

/** `0.021`; a value that would round to zero is shown as `<0.001`. */
export function decimal(value: number | null, places = 3): string {
  if (value === null || Number.isNaN(value)) return NONE;
  const text = value.toFixed(places);
  if (value !== 0 && Number(text) === 0) {
    const smallest = (10 ** -places).toFixed(places);
    return value > 0 ? `<${smallest}` : `>−${smallest}`;
  }
  return text.replace('-', '−');
}

/** `97.5 %` of a share in [0, 1]; a share just short of all or nothing is shown as `>99.9 %` or `<0.1 %`. */
export function percent(share: number | null): string {
  const text = percentage(share);
  return text === NONE ? NONE : `${text} %`;
}

/** {@link percent} without its sign. */
export function percentage(share: number | null): string {
  if (share === null || Number.isNaN(share)) return NONE;
  if (share < 1 && share >= 0.9995) return '>99.9';
  return decimal(100 * share, 1);
}

const GROUPED = new Intl.NumberFormat('en-GB', { maximumFractionDigits: 1 });

/** `37,020`; one decimal where it is not whole. */
export function count(value: number): string {
  return GROUPED.format(value);
}

/** `8.3 s`, `4 min 12 s`, `2 h 5 min`. */
export function duration(seconds: number): string {
  if (seconds < 59.95) return `${decimal(seconds, 1)} s`;
  const whole = Math.round(seconds);
  const minutes = Math.floor(whole / 60);
  return whole < 3600
    ? `${minutes} min ${whole % 60} s`
    : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
