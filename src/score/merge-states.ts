/** Joins the statistics of two parts of a data set to exactly what one pass over both leaves behind. */
import { Slot, State } from '../../assembly/layout.js';
import { type ExampleSizes, slotBytes, stateBytes } from './statistics-state.js';

/** Sums whose parts add up without rounding. */
const SUMS = [
  State.COUNT,
  State.SUM,
  State.SUM + 8,
  State.SQUARES,
  State.SQUARES + 8,
  State.SQUARES + 16,
  State.SQUARES + 24,
  State.DISTANCE,
  State.SHARE,
  State.SHARE + 8,
  State.LOGIT,
  State.LOGIT + 8,
];

/** Brings the states of `other` into `into`, direction by direction; both have the same sizes. */
export function mergeStates(into: Uint8Array, other: Uint8Array, sizes: ExampleSizes): void {
  const each = stateBytes(sizes);
  for (let state = 0; state < into.length; state += each)
    mergeState(into.subarray(state, state + each), other.subarray(state, state + each), sizes);
}

function mergeState(into: Uint8Array, other: Uint8Array, sizes: ExampleSizes): void {
  const [a, b] = [viewOf(into), viewOf(other)];
  for (const at of SUMS) a.setFloat64(at, a.getFloat64(at, true) + b.getFloat64(at, true), true);
  a.setFloat32(State.MIN, Math.min(a.getFloat32(State.MIN, true), b.getFloat32(State.MIN, true)), true);
  a.setFloat32(State.MAX, Math.max(a.getFloat32(State.MAX, true), b.getFloat32(State.MAX, true)), true);
  mergeHistograms(a, b);
  const list = sizes.examples * slotBytes(sizes);
  const lists = State.EXAMPLES;
  mergeExamples(into.subarray(lists, lists + list), other.subarray(lists, lists + list), sizes, false);
  mergeExamples(
    into.subarray(lists + list, lists + 2 * list),
    other.subarray(lists + list, lists + 2 * list),
    sizes,
    true,
  );
}

function mergeHistograms(a: DataView, b: DataView): void {
  const [topA, topB] = [a.getInt32(State.TOP, true), b.getInt32(State.TOP, true)];
  const top = Math.max(topA, topB);
  let near = a.getUint32(State.NEAR_ZERO, true) + b.getUint32(State.NEAR_ZERO, true);
  for (const side of [State.NEGATIVE, State.POSITIVE]) {
    const counts = new Uint32Array(State.MAGNITUDES);
    for (const [view, shift] of [
      [a, top - topA],
      [b, top - topB],
    ] as const)
      for (let i = 0; i < State.MAGNITUDES; i++) {
        const found = view.getUint32(side + 4 * i, true);
        if (i < shift) near += found;
        else counts[i - shift]! += found;
      }
    counts.forEach((found, i) => {
      a.setUint32(side + 4 * i, found, true);
    });
  }
  a.setUint32(State.NEAR_ZERO, near, true);
  a.setInt32(State.TOP, top, true);
}

function mergeExamples(into: Uint8Array, other: Uint8Array, sizes: ExampleSizes, lowest: boolean): void {
  const bytes = slotBytes(sizes);
  const slots = [into, other].flatMap((list) =>
    Array.from({ length: list.length / bytes }, (_, i) => list.slice(i * bytes, (i + 1) * bytes)),
  );
  const ranked = slots
    .map((slot) => ({ slot, ...orderOf(slot) }))
    .filter(({ prompt }) => prompt !== Slot.EMPTY)
    .sort(
      (x, y) =>
        (lowest ? x.value - y.value : y.value - x.value) || x.prompt - y.prompt || x.position - y.position,
    );
  // No prompt is in two parts, unless parts that overlap are joined by mistake: then it is kept once.
  const kept = ranked.filter(({ prompt }, i) => ranked.findIndex((other) => other.prompt === prompt) === i);
  kept.slice(0, into.length / bytes).forEach(({ slot }, i) => {
    into.set(slot, i * bytes);
  });
}

function orderOf(slot: Uint8Array): { value: number; prompt: number; position: number } {
  const view = viewOf(slot);
  return {
    value: view.getFloat32(Slot.VALUE, true),
    prompt: view.getUint32(Slot.PROMPT, true),
    position: view.getInt32(Slot.POSITION, true),
  };
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
