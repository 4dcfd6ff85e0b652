/** The command `score merge`: the folders of all shards become the folder that one run leaves behind. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { InputError } from '../errors.js';
import { writeJson, writeText } from '../formats/atomic-file.js';
import { firstDifference, type Manifest, modelName } from '../formats/manifest.js';
import { resolveModel } from '../formats/model-folder.js';
import { createRun, openRun, type RunFolder } from '../formats/run-folder.js';
import { openTokenizer, type Tokenizer } from '../formats/tokenizer.js';
import { concluding, timed } from '../run/session.js';
import { readScoredWith } from './directions-file.js';
import { joinShards } from './join-shards.js';
import { joinRejected } from './rejected-file.js';
import { statePath } from './score-data-sets.js';
import { type ScoreOutcome, writeScoreTables } from './scoring.js';
import type { Counters } from './state-file.js';
import type { ScoredDataSet } from './tables.js';

/**
 * @param folders one of each shard, in any order
 * @param model folder with the tokenizer; null: where the shards' model was
 * @param described what the manifest says of them all, from what it says of the first
 * @throws InputError if the shards are not all there, not complete, or not of one run
 */
export async function mergeScores(
  folders: readonly string[],
  out: string,
  model: string | null,
  described = (manifest: Manifest): Manifest => manifest,
): Promise<ScoreOutcome> {
  const shards = await Promise.all(folders.map(openRun));
  const manifest = described(sharedManifest(shards));
  const dataSets = Object.keys(shards[0]!.manifest.data);
  const scoredWith = await readScoredWith(shards[0]!.file('directions.json'));
  const of = { directions: scoredWith.directions.length, sizes: scoredWith.sizes };
  const tokenizer = await tokenizerOf(model, manifest);
  const counters: Record<string, Counters> = {};
  const load = async function* (): AsyncGenerator<ScoredDataSet> {
    for (const name of dataSets) {
      const paths = shards.map((shard) => statePath(shard.path, name));
      const { header, states } = await joinShards(paths, of);
      counters[name] = header.counters;
      yield { name, states };
    }
  };
  // Every error shows here, before a folder is made: otherwise it would leave an empty one behind.
  for await (const _ of load());
  const session = await createRun(out, manifest);
  return concluding(session, async () => {
    const rejected = await joinRejected(
      shards.map((shard) => shard.file('rejected.jsonl')),
      dataSets,
    );
    if (rejected !== '') await writeText(session.file('rejected.jsonl'), rejected);
    await writeJson(session.file('counts.json'), counters);
    const tables = await timed(session, 'tables', () =>
      writeScoreTables(session, load, scoredWith, tokenizer),
    );
    return { run: session, counters, directions: scoredWith.directions.length, tables };
  });
}

function sharedManifest(shards: readonly RunFolder[]): Manifest {
  const [first] = shards;
  if (!first) throw new InputError('no shards: name the folders of all of them');
  const whole = ({ manifest }: RunFolder): Manifest => ({
    ...manifest,
    settings: { ...manifest.settings, shard: '1/1' },
  });
  for (const shard of shards) {
    if (shard.manifest.command !== 'score')
      throw new InputError(`${shard.path}: holds a run of "${shard.manifest.command}", not scores`);
    const difference = firstDifference(whole(first), whole(shard));
    if (difference !== null)
      throw new InputError(
        `${shard.path}: has another ${difference} than ${first.path}; join shards of one run`,
      );
    if (shard.manifest.status !== 'complete')
      throw new InputError(`${shard.path}: is ${shard.manifest.status}; resume it first`);
    if (!existsSync(shard.file('directions.json')))
      throw new InputError(`${shard.path}: no directions.json; only shards (--shard i/n) can be joined`);
  }
  return { ...whole(first), status: 'running', started_at: new Date().toISOString(), seconds: {} };
}

/** @param asked folder with the tokenizer; null: where the shards' model was */
async function tokenizerOf(asked: string | null, manifest: Manifest): Promise<Tokenizer | null> {
  const folder = asked ?? (await modelFolder(manifest));
  return existsSync(join(folder, 'tokenizer.json')) ? openTokenizer(folder) : null;
}

async function modelFolder(manifest: Manifest): Promise<string> {
  const name = modelName(manifest);
  try {
    return (await resolveModel(name)).folder;
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    throw new InputError(`${name}: the shards' model is not there; give its folder with --model`);
  }
}
