/** Tokens coloured by a value of each: blue positive, orange negative, the stronger the larger. */
import { signed, visible } from './text.js';

interface TintedProps {
  tokens: readonly string[];
  values: readonly (number | null)[];
  /** What the strongest colour stands for. */
  largest: number;
}

export function Tinted({ tokens, values, largest }: TintedProps) {
  return (
    <>
      {tokens.map((token, at) => {
        const value = values[at] ?? 0;
        return (
          <bdi
            key={at}
            class={value >= 0 ? 'tinted up' : 'tinted down'}
            style={{ '--tint': `${Math.round((55 * Math.abs(value)) / largest)}%` }}
            title={values[at] == null ? undefined : signed(value)}
          >
            {visible(token)}
          </bdi>
        );
      })}
    </>
  );
}

export function largestOf(values: readonly (number | null)[]): number {
  return values.reduce<number>((largest, value) => Math.max(largest, Math.abs(value ?? 0)), 1e-9);
}
