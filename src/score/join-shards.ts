/** Joins the statistics of all shards of a data set. */
import { InputError } from '../errors.js';
import { mergeStates } from './merge-states.js';
import { type Counters, readStateFile, type StateFile, type StateOf } from './state-file.js';
import { NO_EXAMPLES } from './statistics-state.js';

/**
 * Joins files one at a time into the first one's states.
 * @param paths one of each shard
 * @throws InputError if a shard is missing, comes twice, is not complete, or belongs to other data, directions or
 *   settings
 */
export async function joinShards(paths: readonly string[], of: StateOf): Promise<StateFile> {
  const { sizes } = of;
  const seen = new Map<number, string>();
  let joined: StateFile | undefined;
  for (const path of paths) {
    const shard = await readStateFile(path, of);
    const { header, states } = shard;
    const [index, shards] = header.shard;
    if (!header.complete) throw new InputError(`${path}: was not scored to its end; resume it first`);
    const twin = seen.get(index);
    if (twin !== undefined) throw new InputError(`${path}: shard ${index}/${shards} is that of ${twin}, too`);
    seen.set(index, path);
    if (!joined) {
      joined = shard;
      continue;
    }
    checkTwins(joined, shard, paths[0]!, path);
    mergeStates(joined.states.clean, states.clean, sizes);
    mergeStates(joined.states.corrupted, states.corrupted, NO_EXAMPLES);
    joined.header.counters = addCounters(joined.header.counters, header.counters);
  }
  const shards = joined!.header.shard[1];
  for (let index = 1; index <= shards; index++)
    if (!seen.has(index))
      throw new InputError(`shard ${index}/${shards} of "${joined!.header.data_set}" is missing`);
  return joined!;
}

function checkTwins(first: StateFile, other: StateFile, firstPath: string, otherPath: string): void {
  const [a, b] = [first.header, other.header];
  const differs =
    a.identity !== b.identity
      ? 'other directions, another model or other settings'
      : a.shard[1] !== b.shard[1]
        ? `${b.shard[1]} shards instead of ${a.shard[1]}`
        : a.data_hash !== b.data_hash
          ? 'other data'
          : null;
  if (differs !== null)
    throw new InputError(`${otherPath}: has ${differs} than ${firstPath}; join shards of one run`);
}

/** Every shard reads all records, but scores its own. */
function addCounters(a: Counters, b: Counters): Counters {
  return {
    records: a.records,
    prompts: a.prompts + b.prompts,
    tokens: a.tokens + b.tokens,
    windows: a.windows + b.windows,
    rejected: a.rejected + b.rejected,
  };
}
