/** `score`: what directions respond to, over large data; `score merge` joins shards, `score show` ranks directions. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { InputError } from '../errors.js';
import { openRun } from '../formats/run-folder.js';
import type { Listener } from '../progress.js';
import type { JobsListener } from '../queue/execute.js';
import { outFolder } from '../run/out-folder.js';
import { sourceOf } from '../run/source.js';
import { dataSetName } from '../score/data-sets.js';
import { mergeScores as merge } from '../score/merge-scores.js';
import { type RankedDataSet, rankDirections } from '../score/read-tables.js';
import { scoreInShards } from '../score/score-in-shards.js';
import type { ScoreRequest } from '../score/score-plan.js';
import { estimateScore as estimate, type ScoreOutcome, score as scoreInto } from '../score/scoring.js';
import type { Estimate } from '../score/scoring-estimate.js';
import { readCounts } from '../score/state-file.js';
import type { Given, Settings } from '../settings/commands.js';
import { complete, settingsOf } from '../settings/complete.js';
import { subjectSettings } from '../settings/run-settings.js';
import { queueUrl } from './machine.js';

/**
 * Scores into a folder, on this machine or, with `redis`, by the workers of a queue.
 * @example
 * await score({ run: 'runs/ioi', directions: 'active', data: ['prompts.jsonl'], out: 'scores' });
 */
export async function score(given: Given<'score'>, listener: JobsListener = {}): Promise<ScoreOutcome> {
  const { request, settings } = await requested(given);
  const url = queueOf(given, settings);
  if (url !== null && settings.out === null)
    throw new InputError(
      '--out is missing: over a queue the same command goes on, in the folder that it names',
    );
  const out = outFolder(settings, 'scores', dataSetName(settings.data[0]!), listener);
  return url === null
    ? scoreInto(request, { out, resume: settings.resume }, listener)
    : scoreInShards({ request, out, url, shards: settings.shards }, listener);
}

/** What {@link score} would take. */
export async function estimateScore(given: Given<'score'>, listener: Listener = {}): Promise<Estimate> {
  const { request, settings } = await requested(given);
  queueOf(given, settings);
  return estimate(request, listener);
}

/** A run brings its model, its masks, and how that model is read. */
async function requested(
  given: Given<'score'>,
): Promise<{ request: ScoreRequest; settings: Settings<'score'> }> {
  const { model, run } = await sourceOf(given.run, given.model);
  const basis = run?.manifest.settings.basis ?? 'svd';
  if (run && basis !== 'svd')
    throw new InputError(
      `${run.path}: its masks are over the basis ${String(basis)}; singular directions are scored`,
    );
  const base = run
    ? { ...settingsOf(subjectSettings, run.manifest), masks: run.file('masks.safetensors') }
    : {};
  const settings = complete('score', given, base);
  return { request: { ...settings, model }, settings };
}

/** A part that is asked for by name is done here. */
function queueOf(given: Given<'score'>, settings: Settings<'score'>): string | null {
  const here = settings.local || settings.shard.of > 1;
  if (here && (settings.redis !== null || given.shards !== undefined))
    throw new InputError('--local and --shard are for this machine; leave out --redis and --shards');
  const url = here ? null : queueUrl(settings);
  if (given.shards !== undefined && url === null)
    throw new InputError('--shards is for workers; give --redis, or set ORTHOSCOPE_REDIS');
  if (url !== null && settings.resume)
    throw new InputError('--resume is for this machine: over a queue the same command goes on by itself');
  return url;
}

/** Joins the folders of all shards to what one run leaves behind. */
export function mergeScores(given: Given<'score merge'>, { onNote }: Listener = {}): Promise<ScoreOutcome> {
  const { shards, out, model } = complete('score merge', given);
  if (model !== null && !existsSync(join(model, 'tokenizer.json')))
    onNote?.(`${model}: no tokenizer.json; examples will hold token ids instead of text`);
  return merge(shards, out, model);
}

/** The strongest directions of each data set. */
export async function showScores(given: Given<'score show'>): Promise<RankedDataSet[]> {
  const { scores, by, top } = complete('score show', given);
  // Its tables could be read without; but then nothing says that they are whole.
  const run = await openRun(scores);
  await readCounts(run.file('counts.json'));
  return rankDirections(scores, by, top);
}
