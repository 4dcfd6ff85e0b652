/** Shards: the same list cut into n parts on machines that know nothing of each other. */
import { InputError } from './errors.js';

/** Part `index` of `of` equal parts, from 1. */
export interface Shard {
  index: number;
  of: number;
}

/**
 * @param text `2/4`
 * @param name of the setting, for messages
 * @throws InputError
 */
export function parseShard(text: string, name = 'shard'): Shard {
  const [, index, of] = (/^(\d+)\/(\d+)$/.exec(text) ?? []).map(Number);
  if (index === undefined || of === undefined || index < 1 || index > of)
    throw new InputError(`${name} ${text}: give part and number of parts, such as 2/4`);
  return { index, of };
}

/** As {@link parseShard} reads it. */
export function shardName({ index, of }: Shard): string {
  return `${index}/${of}`;
}

/** Neighbours in a list cost about as much, so it is dealt out like cards. */
export function inShard(position: number, { index, of }: Shard): boolean {
  return position % of === index - 1;
}
