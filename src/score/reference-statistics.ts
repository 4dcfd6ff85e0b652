/** Plain reference for the streaming statistics: one value after the other, straight from their definitions. */
import { Slot, State } from '../../assembly/layout.js';
import { type ExampleSizes, STEP, slotBytes, stateBytes } from './statistics-state.js';

/** One value with all that is kept of it; `context` and `values` end with its own. */
export interface Observation {
  value: number;
  prompt: number;
  position: number;
  /** The strongest key's position and attention logit; null where there are no keys. */
  key: { position: number; logit: number } | null;
  context: readonly number[];
  values: readonly number[];
}

/** Takes one finite value into a direction's state; see assembly/statistics.ts. */
export function referenceObserve(
  state: DataView,
  unit: number,
  sizes: ExampleSizes,
  observation: Observation,
): void {
  const { value, position, key } = observation;
  const add = (at: number, amount: number) => state.setFloat64(at, state.getFloat64(at, true) + amount, true);
  add(State.COUNT, 1);
  const kept = addParts(state, State.SUM, value, unit, 2);
  addParts(state, State.SQUARES, kept * kept, unit * unit, 4);
  state.setFloat32(State.MIN, Math.min(state.getFloat32(State.MIN, true), value), true);
  state.setFloat32(State.MAX, Math.max(state.getFloat32(State.MAX, true), value), true);
  addToHistogram(state, value);
  if (key) {
    add(State.DISTANCE, position - key.position);
    addParts(state, State.SHARE, key.logit < 0 ? -value : value, unit, 2);
    addParts(state, State.LOGIT, Math.abs(key.logit), 2 ** 20, 2);
  }
  const list = sizes.examples * slotBytes(sizes);
  const each = stateBytes(sizes);
  if (each > state.byteLength)
    throw new RangeError(`a state of ${state.byteLength} bytes; ${each} are needed`);
  offer(state, State.EXAMPLES, sizes, observation, 1);
  offer(state, State.EXAMPLES + list, sizes, observation, -1);
}

/** Adds x, part by part, each rounded to multiples of a finer step. @returns what was added in all */
function addParts(state: DataView, at: number, x: number, unit: number, parts: number): number {
  let rest = x;
  for (let part = 0; part < parts; part++) {
    const step = unit * STEP ** (part + 1);
    const rounded = roundToEven(rest / step) * step;
    state.setFloat64(at + 8 * part, state.getFloat64(at + 8 * part, true) + rounded, true);
    rest -= rounded;
  }
  return x - rest;
}

function roundToEven(x: number): number {
  const floor = Math.floor(x);
  const over = x - floor;
  return over > 0.5 || (over === 0.5 && floor % 2 !== 0) ? floor + 1 : floor;
}

function addToHistogram(state: DataView, value: number): void {
  const bits = new DataView(new ArrayBuffer(4));
  bits.setFloat32(0, Math.abs(value));
  const magnitude = bits.getUint32(0) >>> 19;
  const increment = (at: number, by = 1) => state.setUint32(at, state.getUint32(at, true) + by, true);
  const top = state.getInt32(State.TOP, true);
  // After as many moves as there are places, all has moved out.
  for (let moves = Math.min(magnitude - top, State.MAGNITUDES); moves > 0; moves--)
    for (const side of [State.NEGATIVE, State.POSITIVE]) {
      increment(State.NEAR_ZERO, state.getUint32(side, true));
      for (let i = 1; i < State.MAGNITUDES; i++)
        state.setUint32(side + 4 * (i - 1), state.getUint32(side + 4 * i, true), true);
      state.setUint32(side + 4 * (State.MAGNITUDES - 1), 0, true);
    }
  state.setInt32(State.TOP, Math.max(top, magnitude), true);
  const place = magnitude - (Math.max(top, magnitude) - (State.MAGNITUDES - 1));
  if (place < 0) increment(State.NEAR_ZERO);
  else increment((value < 0 ? State.NEGATIVE : State.POSITIVE) + 4 * place);
}

/** `direction` 1 keeps the largest values, −1 the smallest. */
function offer(
  state: DataView,
  from: number,
  sizes: ExampleSizes,
  { value, prompt, position, key, context, values }: Observation,
  direction: 1 | -1,
): void {
  const bytes = slotBytes(sizes);
  const slots = Array.from({ length: sizes.examples }, (_, i) => {
    const at = from + i * bytes;
    return {
      value: state.getFloat32(at + Slot.VALUE, true),
      prompt: state.getUint32(at + Slot.PROMPT, true),
      position: state.getInt32(at + Slot.POSITION, true),
      bytes: new Uint8Array(state.buffer, state.byteOffset + at, bytes).slice(),
    };
  });
  const empty = slots.filter((slot) => slot.prompt === Slot.EMPTY);
  const written = new DataView(new ArrayBuffer(bytes));
  written.setFloat32(Slot.VALUE, value, true);
  written.setUint32(Slot.PROMPT, prompt, true);
  written.setInt32(Slot.POSITION, position, true);
  written.setInt32(Slot.KEY, key?.position ?? -1, true);
  written.setFloat32(Slot.LOGIT, key?.logit ?? 0, true);
  for (let i = 0; i < sizes.context; i++) {
    const back = sizes.context - i;
    written.setInt32(Slot.CONTEXT + 4 * i, context.at(-back) ?? -1, true);
    written.setFloat32(Slot.CONTEXT + 4 * (sizes.context + i), values.at(-back) ?? Number.NaN, true);
  }
  const ranked = [
    ...slots.filter((slot) => slot.prompt !== Slot.EMPTY),
    { value, prompt, position, bytes: new Uint8Array(written.buffer) },
  ].sort((a, b) => direction * (b.value - a.value) || a.prompt - b.prompt || a.position - b.position);
  const once = ranked.filter((slot, i) => ranked.findIndex((other) => other.prompt === slot.prompt) === i);
  [...once, ...empty].slice(0, sizes.examples).forEach((slot, i) => {
    new Uint8Array(state.buffer, state.byteOffset + from + i * bytes, bytes).set(slot.bytes);
  });
}
