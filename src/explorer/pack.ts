/** A snapshot as compressed blocks. */
import { gzipSync } from 'node:zlib';
import { BLOCKS, type BlockName, type Snapshot, VALUE_NAMES } from './snapshot.js';

/**
 * `core` is the length of its JSON as a 32-bit integer, the JSON (padded with spaces to whole fours), and the values by
 * direction as 32-bit floats, all little-endian; the others are JSON lines. All gzipped.
 */
export function packed({ core, values, cards, prompts }: Snapshot): Record<BlockName, Buffer> {
  const names = VALUE_NAMES.filter((name) => values[name]);
  const json = Buffer.from(JSON.stringify({ ...core, values: names }));
  const padding = Buffer.alloc((4 - (json.length % 4)) % 4, ' ');
  const length = Buffer.alloc(4);
  length.writeUInt32LE(json.length + padding.length);
  const floats = names.map((name) => Buffer.from(Float32Array.from(values[name]!).buffer));
  const lines = (items: readonly unknown[]) =>
    Buffer.from(items.map((item) => `${JSON.stringify(item)}\n`).join(''));
  const whole = {
    core: Buffer.concat([length, json, padding, ...floats]),
    cards: lines(cards),
    prompts: lines(prompts),
  };
  return Object.fromEntries(BLOCKS.map((name) => [name, gzipSync(whole[name])])) as Record<BlockName, Buffer>;
}
