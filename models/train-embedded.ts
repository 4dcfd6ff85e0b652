/**
 * Trains the embedded model and writes its folder, if the model is good enough:
 * `node dist/models/train-embedded.js [--out DIR] [--seed N] [--steps N]`. Needs the native engine.
 */
import { mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { type Engine, openEngine } from '../src/engine/engine.js';
import { InputError, InterruptedError } from '../src/errors.js';
import { writeJson } from '../src/formats/atomic-file.js';
import { describeHost } from '../src/formats/manifest.js';
import { openTokenizer } from '../src/formats/tokenizer.js';
import { packageFile } from '../src/package-file.js';
import type { LongCall, ProgressEvent } from '../src/progress.js';
import { Random } from '../src/random.js';
import { taskVocabulary } from '../src/tasks/vocabulary.js';
import { wordTokenizer } from '../src/tasks/word-tokenizer.js';
import { type LanguageModelling, trainOnSentences } from './language-modelling.js';
import { type Scores, scoreHeldOut, shortfall } from './score-held-out.js';
import { HELD_OUT_SEED, trainingSentences } from './sentences.js';
import { initialParameters } from './trainable-gpt2.js';
import { writeGpt2 } from './write-gpt2.js';

const SHAPE = { layers: 3, heads: 4, dModel: 64, dMlp: 64, positions: 32 };

/** Standard deviation of the matrices at the start. */
const DEVIATION = 0.06;

/** Pairs drawn a task; each gives two sentences. */
const PAIRS = 20000;

/**
 * Chosen among widths 64 to 128 and decays 0.01 to 3 for small, faithful circuits. The decay is far stronger than usual,
 * and the MLPs are narrow: what the tasks do not need disappears, and names are moved by attention alone.
 */
const TRAINING: LanguageModelling = {
  steps: 4000,
  batchSize: 96,
  lr: 2e-3,
  warmup: 50,
  betas: [0.9, 0.98],
  eps: 1e-8,
  weightDecay: 3,
  answerWeight: 5,
};

interface Flags {
  out: string;
  seed: number;
  steps: number;
}

function readFlags(): Flags {
  const { out, seed, steps } = parseFlags();
  const whole = (flag: string, value: string, least: number) => {
    const number = Number(value);
    if (Number.isSafeInteger(number) && number >= least) return number;
    throw new InputError(`--${flag} ${value}: give a whole number, ${least} or more`);
  };
  return { out: resolve(out), seed: whole('seed', seed, 0), steps: whole('steps', steps, 1) };
}

function parseFlags() {
  const text = (value: string | number) => ({ type: 'string' as const, default: String(value) });
  try {
    const options = { out: text(packageFile('models/embedded')), seed: text(1), steps: text(TRAINING.steps) };
    return parseArgs({ options }).values;
  } catch (error) {
    throw new InputError((error as Error).message);
  }
}

/** The folder is filled under another name first: a model that fell short, or half of one, never takes the old one's place. */
async function trainEmbedded({ out, seed, steps }: Flags, call: LongCall): Promise<void> {
  const engine = await openEngine({ engine: 'native' });
  await mkdir(dirname(out), { recursive: true });
  const folder = await mkdtemp(join(dirname(out), '.embedded-'));
  try {
    const recipe = await trainInto(folder, engine, seed, { ...TRAINING, steps }, call);
    await writeJson(join(folder, 'recipe.json'), recipe);
    console.log(JSON.stringify(recipe.scores, null, 2));
    const missing = shortfall(recipe.scores);
    if (missing)
      throw new InputError(`${missing}; nothing was written: give it more --steps or another --seed`);
    await mkdir(out, { recursive: true });
    for (const file of await readdir(folder)) await rename(join(folder, file), join(out, file));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Writes tokenizer and model into the folder. @returns all that it takes to do it again, and what came of it */
async function trainInto(
  folder: string,
  engine: Engine,
  seed: number,
  training: LanguageModelling,
  call: LongCall,
): Promise<{ scores: Scores } & Record<string, unknown>> {
  const started = performance.now();
  const { cpu, cores } = describeHost();
  await writeJson(join(folder, 'tokenizer.json'), wordTokenizer(taskVocabulary()));
  const tokenizer = await openTokenizer(folder);
  const shape = { ...SHAPE, vocabulary: tokenizer.size };
  const random = new Random(seed);
  const parameters = initialParameters(shape, DEVIATION, random.fork('parameters'));
  const sentences = trainingSentences(tokenizer, random.fork('sentences').seed, PAIRS);
  const losses = await trainOnSentences(shape, parameters, sentences, training, random.fork('batches'), call);
  await writeGpt2(folder, shape, parameters);
  const scores = await scoreHeldOut(folder, engine);
  return {
    licence: 'MIT',
    seed,
    shape,
    initial_deviation: DEVIATION,
    training,
    data: { pairs_drawn_a_task: PAIRS, sentences: sentences.length, held_out_seed: HELD_OUT_SEED },
    parameters: [...parameters.values()].reduce((sum, { data }) => sum + data.length, 0),
    final_loss: losses.slice(-100).reduce((sum, loss) => sum + loss, 0) / Math.min(100, losses.length),
    scores,
    engine: { name: engine.name, version: engine.version },
    node: process.versions.node,
    host: { cpu, cores },
    seconds: Math.round((performance.now() - started) / 1000),
  };
}

/** A line a hundred steps. */
function report({ done, total, note }: ProgressEvent): void {
  if (done % 100 === 0 || done === total) console.error(`step ${done} of ${total}  ${note}`);
}

const interruption = new AbortController();
process.once('SIGINT', () => interruption.abort());
try {
  await trainEmbedded(readFlags(), { onProgress: report, signal: interruption.signal });
} catch (error) {
  if (!(error instanceof InputError || error instanceof InterruptedError)) throw error;
  console.error(error.message);
  process.exitCode = error instanceof InputError ? 2 : 130;
}
