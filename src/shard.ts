/** Shards: the same list cut into n parts on machines that know nothing of each other. */

/** Part `index` of `of` equal parts, from 1. */
export interface Shard {
  index: number;
  of: number;
}

/** @returns null unless it is written like `2/4` */
export function readShard(text: string): Shard | null {
  const [, index, of] = (/^(\d+)\/(\d+)$/.exec(text) ?? []).map(Number);
  return index === undefined || of === undefined ? null : { index, of };
}

/** As {@link readShard} reads it. */
export function shardName({ index, of }: Shard): string {
  return `${index}/${of}`;
}

/** Neighbours in a list cost about as much, so it is dealt out like cards. */
export function inShard(position: number, { index, of }: Shard): boolean {
  return position % of === index - 1;
}
