/** `orthoscope score`: what directions respond to, over large data sets. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { CommandModule } from 'yargs';
import { InputError } from '../../src/errors.js';
import { formatByteSize, parseByteSize } from '../../src/formats/byte-size.js';
import { readJson } from '../../src/formats/json-file.js';
import { RECORD_FORMATS } from '../../src/formats/record-stream.js';
import { openRun } from '../../src/formats/run-folder.js';
import { MOST_OFFSETS } from '../../src/models/qk-split.js';
import { WEIGHT_FORMS } from '../../src/models/weights.js';
import { MOST_THREADS } from '../../src/pool/threads.js';
import { checkRedisUrl } from '../../src/queue/redis.js';
import { count, duration } from '../../src/report/figures.js';
import { mergeScores } from '../../src/score/merge-scores.js';
import { LONG_PROMPTS, SCORED_POSITIONS } from '../../src/score/passages.js';
import { RANKINGS, type Ranking, rankDirections } from '../../src/score/read-tables.js';
import { SHARDS, type ShardedScore, scoreInShards } from '../../src/score/score-in-shards.js';
import { MOST_CONTEXT, MOST_EXAMPLES, type ScoreRequest } from '../../src/score/score-plan.js';
import { scoresTable } from '../../src/score/scores-table.js';
import { estimateScore, type ScoreOutcome, score } from '../../src/score/scoring.js';
import type { Estimate } from '../../src/score/scoring-estimate.js';
import { VALUE_TYPES } from '../../src/score/values-file.js';
import { parseShard } from '../../src/shard.js';
import { type Context, inContext } from '../context.js';
import {
  type Flags,
  list,
  maskingFlags,
  modelFlags,
  number,
  redisFlag,
  redisUrl,
  resumes,
  runFlags,
  whole,
} from '../options.js';
import { SweepView } from '../sweep-view.js';

const { components: _components, seed: _seed, form: _form, ...subjectFlags } = modelFlags;

const scoreFlags = {
  data: {
    type: 'string',
    array: true,
    describe: 'FILE or NAME=FILE, one or several (JSONL, CSV, Parquet, text; --data=- for a pipe)',
  },
  format: { choices: RECORD_FORMATS, describe: 'Format of the data, where its name does not say' },
  directions: {
    type: 'string',
    default: 'all',
    describe: 'all, active (of a run), or names: L0H1.qk.3,L2.mlp_in.0-9,L1H0.ov',
  },
  threshold: { type: 'string', default: '0.5', describe: 'A direction is active if its mask is above this' },
  form: { choices: WEIGHT_FORMS, describe: "Weight form (the run's, or reference)" },
  positions: {
    choices: SCORED_POSITIONS,
    default: 'last',
    describe: 'Scored positions: last token, all, or the tokens of the answer',
  },
  long: {
    choices: LONG_PROMPTS,
    default: 'window',
    describe: 'Prompts beyond the context are cut into windows, or refused',
  },
  'max-tokens': { type: 'number', describe: "Most tokens of a window (the model's context)" },
  examples: { type: 'number', default: 5, describe: 'Prompts kept at each end of each direction' },
  context: { type: 'number', default: 16, describe: 'Tokens kept of each example' },
  values: { choices: VALUE_TYPES, describe: 'Also write every value, into scores.parquet' },
  shard: { type: 'string', default: '1/1', describe: 'This part of so many, e.g. 2/8; see score merge' },
  ...redisFlag,
  local: { type: 'boolean', default: false, describe: 'On this machine, though ORTHOSCOPE_REDIS is set' },
  shards: { type: 'number', describe: `With --redis: parts that workers are handed (${SHARDS})` },
  'max-rejected': { type: 'number', default: 1000, describe: 'End if more records cannot be scored' },
  'dry-run': {
    type: 'boolean',
    default: false,
    describe: 'Say what it would take; run the first records only',
  },
  'checkpoint-seconds': { type: 'number', default: 30, describe: 'Time between checkpoints' },
} as const;

/** Elsewhere of a flag that comes twice the last one counts; --data may come again, and folders are read like that. */
const REPEATABLE = { 'duplicate-arguments-array': true, 'dot-notation': false };

const merge: CommandModule<object, Flags> = {
  command: 'merge <shards..>',
  describe: 'Join the folders of all shards to what one run leaves behind',
  builder: (yargs) =>
    yargs
      .parserConfiguration(REPEATABLE)
      .positional('shards', { type: 'string', array: true, describe: 'Folders of --shard 1/n to n/n' })
      .options({
        out: runFlags.out,
        model: {
          type: 'string',
          describe: "Folder with the tokenizer, where the shards' model is not there",
        },
      }),
  handler: (flags) =>
    inContext(flags, async (context) => {
      const model = (flags.model as string | undefined) ?? null;
      if (model !== null && !existsSync(join(model, 'tokenizer.json')))
        context.onNote?.(`${model}: no tokenizer.json; examples will hold token ids instead of text`);
      const outcome = await mergeScores(list(flags.shards), outOf(flags), model);
      printOutcome(outcome, context);
    }),
};

const show: CommandModule<object, Flags> = {
  command: 'show <scores>',
  describe: 'The strongest directions of each data set',
  builder: (yargs) =>
    yargs.positional('scores', { type: 'string', describe: 'Folder of scores' }).options({
      by: { choices: RANKINGS, describe: 'Ranking (cohens_d, or variance without corrupted prompts)' },
      top: { type: 'number', default: 20, describe: 'Directions of each data set' },
    }),
  handler: (flags) =>
    inContext(flags, async (context) => {
      const by = (flags.by as Ranking | undefined) ?? null;
      // Its tables could be read without; but then nothing says that they are whole.
      const run = await openRun(flags.scores as string);
      await readJson(run.file('counts.json'));
      const ranked = await rankDirections(flags.scores as string, by, whole(flags.top, 'top', 1));
      context.result(ranked, ranked.map(scoresTable).join('\n\n'));
    }),
};

const all: CommandModule<object, Flags> = {
  command: '$0 [model]',
  describe: 'Statistics and examples of directions over large data sets',
  builder: (yargs) =>
    yargs
      .parserConfiguration(REPEATABLE)
      .positional('model', { type: 'string', describe: 'Folder, hub id, or the folder of a run' })
      .options({ ...scoreFlags, ...runFlags, ...subjectFlags, engine: maskingFlags.engine }),
  handler: (flags) =>
    inContext(flags, async (context) => {
      if (typeof flags.model !== 'string')
        throw new InputError('no model: give a folder, a hub id, or the folder of a run');
      const request = requestOf(flags);
      const url = queueOf(flags, request);
      if (flags.dryRun === true) {
        const estimate = await estimateScore(request, context);
        context.result(estimate, estimateLines(estimate).join('\n'));
        return;
      }
      const out = outOf(flags);
      const outcome =
        url === null
          ? await score(request, { out, resume: resumes(flags, out, context.onNote) }, context)
          : await overQueue(
              { request, out, url, shards: whole(flags.shards ?? SHARDS, 'shards', 2, 10_000) },
              flags,
              context,
            );
      printOutcome(outcome, context);
    }),
};

export const scoreCommand: CommandModule<object, Flags> = {
  command: 'score',
  describe: 'What directions respond to, over large data sets',
  builder: (yargs) => yargs.command(merge).command(show).command(all),
  handler: () => {},
};

/** A part that is asked for by name is done here. */
function queueOf(flags: Flags, { shard }: ScoreRequest): string | null {
  const asked = flags.redis !== undefined || flags.shards !== undefined;
  if (asked && (flags.local === true || shard.of > 1))
    throw new InputError('--local and --shard are for this machine; leave out --redis and --shards');
  const url = flags.local === true || shard.of > 1 ? null : redisUrl(flags);
  if (flags.shards !== undefined && url === null)
    throw new InputError('--shards is for workers; give --redis, or set ORTHOSCOPE_REDIS');
  if (url !== null) checkRedisUrl(url);
  if (url !== null && flags.resume === true)
    throw new InputError('--resume is for this machine: over a queue the same command goes on by itself');
  return url;
}

async function overQueue(settings: ShardedScore, flags: Flags, context: Context): Promise<ScoreOutcome> {
  const view = new SweepView(flags.quiet === true, 'shards');
  try {
    return await scoreInShards(settings, { ...context, onNote: view.note, onState: view.show });
  } finally {
    view.clear();
  }
}

function printOutcome({ run, counters, directions, tables }: ScoreOutcome, context: Context): void {
  const lines = Object.entries(counters).map(
    ([name, { prompts, tokens, rejected, windows }]) =>
      `${name}: ${prompts} prompts, ${tokens} tokens, ${windows} further windows, ${rejected} rejected`,
  );
  const files = Object.entries(tables ?? {}).map(([name, path]) => `${name.padEnd(10)}  ${path}`);
  context.result(
    { run: run.path, directions, counters, tables },
    [...lines, `${directions} directions`, ...files].join('\n'),
  );
}

function estimateLines({
  data_sets,
  seconds,
  tokens_per_second,
  directions,
  memory_bytes,
  disk_bytes,
}: Estimate): string[] {
  const about = (value: number | null) => (value === null ? 'as much as comes' : `about ${count(value)}`);
  const sets = Object.entries(data_sets).map(
    ([name, { prompts, tokens, sampled, rejected }]) =>
      `${name}: prompts ${about(prompts)}, tokens ${about(tokens)} (of the first ${sampled} records ${rejected} would be rejected)`,
  );
  const memory = Object.entries(memory_bytes).map(([name, bytes]) => `${name} ${amount(bytes)}`);
  const disk = Object.entries(disk_bytes).map(([name, bytes]) => `${name} ${amount(bytes)}`);
  return [
    ...sets,
    `${count(directions)} directions`,
    `time    ${seconds === null ? '' : `${duration(seconds)} at `}${count(tokens_per_second)} tokens/s`,
    `memory  ${memory.join(', ')}`,
    `disk    ${disk.join(', ')}`,
  ];
}

function amount(bytes: number | null): string {
  return bytes === null ? 'unknown' : formatByteSize(bytes);
}

function outOf(flags: Flags): string {
  if (typeof flags.out !== 'string') throw new InputError('--out is missing: name the folder of the scores');
  return flags.out;
}

function requestOf(flags: Flags): ScoreRequest {
  return {
    model: flags.model as string,
    form: (flags.form as ScoreRequest['form'] | undefined) ?? null,
    qkSplit: flags.qkSplit as ScoreRequest['qkSplit'],
    rotaryOffsets: whole(flags.rotaryOffsets, 'rotary-offsets', 0, MOST_OFFSETS),
    bos: flags.bos as ScoreRequest['bos'],
    engine: flags.engine as ScoreRequest['engine'],
    store: (flags.store as string | undefined) ?? null,
    storeDtype: flags.storeDtype as ScoreRequest['storeDtype'],
    memory: flags.memory === undefined ? null : parseByteSize(String(flags.memory), '--memory'),
    workers: flags.workers === undefined ? null : whole(flags.workers, 'workers', 1, MOST_THREADS),
    data: flags.data === undefined ? [] : list(flags.data),
    format: (flags.format as ScoreRequest['format'] | undefined) ?? null,
    directions: String(flags.directions),
    threshold: thresholdOf(flags),
    positions: flags.positions as ScoreRequest['positions'],
    long: flags.long as ScoreRequest['long'],
    maxTokens: flags.maxTokens === undefined ? null : whole(flags.maxTokens, 'max-tokens', 1),
    examples: whole(flags.examples, 'examples', 0, MOST_EXAMPLES),
    context: whole(flags.context, 'context', 1, MOST_CONTEXT),
    values: flags.values === undefined ? null : (flags.values as ScoreRequest['values']),
    shard: parseShard(String(flags.shard), '--shard'),
    maxRejected: whole(flags.maxRejected, 'max-rejected', 0),
    checkpointSeconds: whole(flags.checkpointSeconds, 'checkpoint-seconds', 0, 86_400),
  };
}

function thresholdOf(flags: Flags): number {
  const threshold = number(flags.threshold, 'threshold');
  if (threshold >= 0 && threshold < 1) return threshold;
  throw new InputError(`--threshold ${threshold}: masks are from 0 to 1; give a number from 0 to below 1`);
}
