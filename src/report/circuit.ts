/** Which directions of which component a circuit consists of, read off its masks. */
import { type ComponentPlace, parseComponentName } from '../models/components.js';
import { KINDS } from '../settings/choices.js';

export interface CircuitPart extends ComponentPlace {
  /** How many directions the component has. */
  directions: number;
  /** Indices of those in the circuit, ascending. */
  active: number[];
}

/**
 * Every component's part, layer by layer, kind by kind, head by head, however the file orders them.
 * @param masks by component name, as `masks.safetensors` holds them
 */
export function circuitParts(masks: ReadonlyMap<string, Float32Array>, threshold: number): CircuitPart[] {
  const parts = [...masks].map(
    ([name, values]): CircuitPart => ({
      ...parseComponentName(name)!,
      directions: values.length,
      active: [...values.keys()].filter((index) => values[index]! > threshold),
    }),
  );
  return parts.sort(
    (a, b) =>
      a.layer - b.layer || KINDS.indexOf(a.kind) - KINDS.indexOf(b.kind) || (a.head ?? 0) - (b.head ?? 0),
  );
}

/** Ascending indices with runs of three and more drawn together: `0–4 7 9`. */
export function indexRanges(indices: readonly number[]): string {
  const texts: string[] = [];
  for (let from = 0, to: number; from < indices.length; from = to) {
    to = from + 1;
    while (to < indices.length && indices[to] === indices[to - 1]! + 1) to++;
    const run = indices.slice(from, to);
    if (run.length > 2) texts.push(`${run[0]}–${run.at(-1)}`);
    else texts.push(...run.map(String));
  }
  return texts.join(' ');
}
