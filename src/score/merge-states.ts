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

/** Both lists are sorted, empty slots last; so is what they are joined to. */
function mergeExamples(into: Uint8Array, other: Uint8Array, sizes: ExampleSizes, lowest: boolean): void {
  const bytes = slotBytes(sizes);
  const [ours, theirs] = [into.slice(), other].map((list) => ({ list, view: viewOf(list), at: 0 })) as [
    SortedList,
    SortedList,
  ];
  // No prompt is in two parts, unless parts that overlap are joined by mistake: then it is kept once.
  const kept = new Set<number>();
  for (let place = 0; place < into.length; ) {
    const first = goesBefore(theirs, ours, lowest) ? theirs : ours;
    const prompt = promptAt(first);
    if (prompt === Slot.EMPTY) return;
    if (!kept.has(prompt)) {
      into.set(first.list.subarray(first.at, first.at + bytes), place);
      place += bytes;
      kept.add(prompt);
    }
    first.at += bytes;
  }
}

interface SortedList {
  list: Uint8Array;
  view: DataView;
  /** Where the first slot lies that was not taken. */
  at: number;
}

/** Whether the next of `a` comes before the next of `b`; as in the kernel that makes the lists. */
function goesBefore(a: SortedList, b: SortedList, lowest: boolean): boolean {
  const [promptA, promptB] = [promptAt(a), promptAt(b)];
  if (promptA === Slot.EMPTY || promptB === Slot.EMPTY) return promptA !== Slot.EMPTY;
  const valueA = a.view.getFloat32(a.at + Slot.VALUE, true);
  const valueB = b.view.getFloat32(b.at + Slot.VALUE, true);
  if (valueA !== valueB) return lowest ? valueA < valueB : valueA > valueB;
  if (promptA !== promptB) return promptA < promptB;
  return a.view.getInt32(a.at + Slot.POSITION, true) < b.view.getInt32(b.at + Slot.POSITION, true);
}

/** Of the next slot; an end is as good as an empty slot. */
function promptAt({ list, view, at }: SortedList): number {
  return at < list.length ? view.getUint32(at + Slot.PROMPT, true) : Slot.EMPTY;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
