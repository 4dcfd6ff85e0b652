/** Shards: the same list cut into n parts on machines that know nothing of each other. */
import { InputError } from '../errors.js';

/** Part `index` of `count`, from 1. */
export interface Shard {
  index: number;
  count: number;
}

/**
 * @param text `2/4`
 * @throws InputError
 */
export function parseShard(text: string): Shard {
  const [, index, count] = (/^(\d+)\/(\d+)$/.exec(text) ?? []).map(Number);
  if (index === undefined || count === undefined || index < 1 || index > count)
    throw new InputError(`--shard ${text}: give part and number of parts, such as 2/4`);
  return { index, count };
}

/** Neighbours in a plan cost about as much, so the list is dealt out like cards. */
export function inShard(position: number, { index, count }: Shard): boolean {
  return position % count === index - 1;
}
