/**
 * Holds the Huffman weights of a zstd block to what a block may have: the JavaScript reader goes round for ever on a
 * damaged table whose states take no bits. https://datatracker.ietf.org/doc/html/rfc8878, sections 4.1 and 4.2.1
 */

const MOST_WEIGHTS = 255;
/** Bytes of the header of literals, by its size format. */
const LITERALS_HEADER = [3, 3, 4, 5];

/**
 * @param block content of a compressed block
 * @throws Error if its weights do not end; what else may be wrong the reader itself says
 */
export function checkWeights(block: Uint8Array): void {
  const first = block[0] ?? 0;
  // Only a section of compressed literals with a tree of its own has weights.
  if ((first & 3) !== 2) return;
  const at = LITERALS_HEADER[(first >> 2) & 3]!;
  const length = block[at] ?? 128;
  // From 128 on weights are four bits each.
  if (length >= 128) return;
  const bytes = block.subarray(at + 1, at + 1 + length);
  const table = readTable(bytes);
  if (table && countStates(bytes.subarray(table.bytes), table) > MOST_WEIGHTS)
    throw new Error('the Huffman weights of a block do not end');
}

interface Table {
  /** How many it is written in; the weights follow. */
  bytes: number;
  log: number;
  /** Bits that each state takes, and the state that they are added to. */
  bits: Uint8Array;
  base: Uint16Array;
}

/** The table of states in front of the weights; null if it is damaged in another way. */
function readTable(bytes: Uint8Array): Table | null {
  let position = 0;
  const read = (count: number) => {
    let value = 0;
    for (let i = 0; i < count; i++, position++)
      value |= (((bytes[position >> 3] ?? 0) >> (position & 7)) & 1) << i;
    return value;
  };
  const log = read(4) + 5;
  if (log > 6) return null;
  const size = 1 << log;
  const shares: number[] = [];
  for (let remaining = size; remaining > 0 && shares.length < 256; ) {
    const count = highestBit(remaining + 1) + 1;
    let value = read(count);
    const lower = (1 << (count - 1)) - 1;
    const threshold = (1 << count) - 2 - remaining;
    if ((value & lower) < threshold) {
      position--;
      value &= lower;
    } else if (value > lower) value -= threshold;
    const share = value - 1;
    remaining -= Math.abs(share);
    if (remaining < 0) return null;
    shares.push(share);
    if (share !== 0) continue;
    for (let zeros = 3; zeros === 3; ) {
      zeros = read(2);
      for (let i = 0; i < zeros; i++) shares.push(0);
    }
  }
  if (shares.length > 256) return null;
  return { bytes: (position + 7) >> 3, ...statesOf(shares, log) };
}

/** Spreads symbols over states, by the share of states that each has; −1: one state at the end. */
function statesOf(shares: readonly number[], log: number): Omit<Table, 'bytes'> {
  const size = 1 << log;
  const symbols = new Uint8Array(size);
  let end = size;
  shares.forEach((share, symbol) => {
    if (share === -1) symbols[--end] = symbol;
  });
  const step = (size >> 1) + (size >> 3) + 3;
  let at = 0;
  shares.forEach((share, symbol) => {
    for (let i = 0; i < share; i++) {
      symbols[at] = symbol;
      do at = (at + step) % size;
      while (at >= end && end > 0);
    }
  });
  const next = shares.map(Math.abs);
  const [bits, base] = [new Uint8Array(size), new Uint16Array(size)];
  symbols.forEach((symbol, state) => {
    const number = next[symbol]!++;
    bits[state] = log - highestBit(number);
    base[state] = (number << bits[state]!) - size;
  });
  return { log, bits, base };
}

/** How many weights two states give in turn until the bits, read from the end, are used up; at most one too many. */
function countStates(bytes: Uint8Array, { log, bits, base }: Table): number {
  const last = bytes.at(-1) ?? 0;
  if (last === 0) return 0;
  let position = (bytes.length - 1) * 8 + highestBit(last);
  const read = (count: number) => {
    position -= count;
    let value = 0;
    for (let i = 0; i < count; i++) {
      const bit = position + i;
      if (bit >= 0) value |= ((bytes[bit >> 3]! >> (bit & 7)) & 1) << i;
    }
    return value;
  };
  const states = [read(log), read(log)];
  let count = 0;
  while (position >= 0 && count <= MOST_WEIGHTS) {
    const turn = count++ % 2;
    const state = states[turn]!;
    states[turn] = base[state]! + read(bits[state]!);
  }
  return count;
}

/** The place of the highest bit that is set: 0 of 1. */
function highestBit(value: number): number {
  return 31 - Math.clz32(value);
}
