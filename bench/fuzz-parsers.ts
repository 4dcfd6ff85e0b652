/** Everything of the program that reads what others wrote, each with a sample to begin from. */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { builtFile } from '../src/built-file.js';
import { readMetrics } from '../src/evaluate/metrics-file.js';
import { readPromptScores } from '../src/evaluate/prompts-file.js';
import { writeReport } from '../src/explorer/write-report.js';
import { parseByteSize } from '../src/formats/byte-size.js';
import { columnChoice } from '../src/formats/columns.js';
import { filesOf } from '../src/formats/data-files.js';
import { parseJsonObject } from '../src/formats/json-file.js';
import { readManifest } from '../src/formats/manifest.js';
import { readPromptPairs } from '../src/formats/prompt-pairs.js';
import { readRecords } from '../src/formats/record-stream.js';
import { openRun } from '../src/formats/run-folder.js';
import { openSafetensors } from '../src/formats/safetensors.js';
import { openTokenizer } from '../src/formats/tokenizer.js';
import { readMasks } from '../src/masks/masks-file.js';
import { parseComponentName, parseDirectionRange } from '../src/models/components.js';
import { openModel } from '../src/models/open-model.js';
import { packageFile } from '../src/package-file.js';
import { readProgress } from '../src/queue/job-tracker.js';
import { JobsFolder } from '../src/queue/jobs-folder.js';
import { parseJob } from '../src/queue/messages.js';
import { repeatCommand } from '../src/report/repeat-command.js';
import { readCheckpoint } from '../src/run/checkpoint.js';
import { chooseDirections } from '../src/score/chosen-directions.js';
import { readScoredWith } from '../src/score/directions-file.js';
import { readDirections, readExamples } from '../src/score/read-tables.js';
import { joinRejected } from '../src/score/rejected-file.js';
import { shardJobs } from '../src/score/shard-job.js';
import { readCounts, readStateFile } from '../src/score/state-file.js';
import { COMMANDS } from '../src/settings/commands.js';
import { readValue } from '../src/settings/text.js';
import { readShard } from '../src/shard.js';
import { parsePlan } from '../src/sweep/plan.js';
import { readResults } from '../src/sweep/results.js';
import { runJobs } from '../src/sweep/run-job.js';
import { SweepFolder } from '../src/sweep/sweep-folder.js';

/** How a sample is changed: as JSON, as a text, as bytes, or as bytes behind a JSON header with its length in front. */
export type Form = 'json' | 'text' | 'bytes' | 'header';

export interface Parser {
  name: string;
  form: Form;
  sample: Buffer;
  /** Share of the inputs, where reading one is slow. */
  weight?: number;
  /** Where an input is laid; none where it is handed over as text. */
  file?: string;
  /** Reads what was laid there, or the text. */
  read(text: string): unknown;
}

/** Directions of the embedded model. */
const DIRECTIONS = 780;

const ID = '0123456789abcdef';

const COMPONENT = {
  name: 'L0.mlp_in',
  kind: 'mlp_in',
  layer: 0,
  rows: 8,
  cols: 8,
  rank: 8,
  fullWidth: 8,
} as const;

const RECORDS = [
  {
    id: 'a',
    clean: 'When Mary and John went',
    corrupted: 'When Ann and Tom went',
    answer: ' Mary',
    distractor: ' John',
  },
  {
    clean: 'So Sarah is',
    answers: [' she'],
    distractors: [' he'],
    group: 'g',
    token_classes: { name: ' Sarah' },
  },
];
const LINES = RECORDS.map((record) => `${JSON.stringify(record)}\n`).join('');

/** Fills a folder with what {@link parsersIn} begins from: a run, scores, a shard, a model, a sweep of one run. */
export function prepare(folder: string): void {
  const at = (name: string) => join(folder, name);
  const orthoscope = (...args: string[]) =>
    execFileSync(process.execPath, [builtFile('cli/main.js'), ...args, '--engine', 'wasm', '--quiet'], {
      env: { ...process.env, ORTHOSCOPE_CACHE: at('cache') },
    });
  const sizes = ['--train-pairs', '4', '--validation-pairs', '2', '--test-pairs', '4'];
  const steps = ['--steps', '2', '--rounding-steps', '2', '--attack', '1', '--control-seeds', '1'];
  mkdirSync(folder, { recursive: true });
  orthoscope('run', '--out', at('run'), '--workers', '1', ...sizes, ...steps);
  writeFileSync(at('data.jsonl'), `${LINES}not json\n`);
  const few = [
    '--directions',
    'L0.mlp_in.0-3',
    '--data',
    at('data.jsonl'),
    '--max-rejected',
    '5',
    '--workers',
    '1',
  ];
  orthoscope('score', 'embedded', ...few, '--out', at('scores'));
  orthoscope('score', 'embedded', ...few, '--out', at('shard'), '--shard', '1/2');
  for (const name of ['model', 'model2'])
    cpSync(packageFile('models/embedded'), at(name), { recursive: true });
  mkdirSync(at('jobs/failed'), { recursive: true });
  cpSync(at('run'), new SweepFolder(at('sweep')).run(ID), { recursive: true });
}

/** Who reads what of a folder that {@link prepare} filled. */
export function parsersIn(folder: string): Parser[] {
  const at = (name: string) => join(folder, name);
  const [run, scores, shard, model] = [at('run'), at('scores'), at('shard'), at('model')];
  const sweep = new SweepFolder(at('sweep'));
  const of = (path: string) => readFileSync(path);
  const sized = { directions: 4, sizes: { examples: 10, context: 12 } };
  const scored = JSON.parse(of(join(shard, 'directions.json')).toString());
  sized.sizes = { examples: scored.examples, context: scored.context };
  const state = join(shard, 'states/data.state');
  const csv = 'id,clean,corrupted,answers,group\na,"x ""y""",z,"["" Mary""]",1\nb,q,r, John| Tom,2\n';
  const config = of(join(model, 'config.json'));
  const file = (name: string, form: Form, path: string, read: () => unknown, weight = 1): Parser => ({
    name,
    form,
    sample: of(path),
    file: path,
    weight,
    read,
  });
  const laid = (
    name: string,
    form: Form,
    sample: string | Uint8Array,
    path: string,
    read: () => unknown,
    weight = 1,
  ): Parser => {
    mkdirSync(join(path, '..'), { recursive: true });
    writeFileSync(path, sample);
    return file(name, form, path, read, weight);
  };
  const text = (
    name: string,
    sample: string,
    read: (text: string) => unknown,
    form: Form = 'text',
  ): Parser => ({
    name,
    form,
    sample: Buffer.from(sample),
    read,
  });
  const pairs = (name: string, form: Form, sample: string, path: string) =>
    laid(name, form, sample, at(path), async () => {
      for await (const _ of readRecords({
        path: at(path),
        format: path.endsWith('csv') ? 'csv' : path.endsWith('json') ? 'json' : 'jsonl',
      }));
      return readPromptPairs(at(path));
    });
  const setting = Object.entries(COMMANDS.run);
  const job = {
    kind: 'run',
    id: ID,
    model: { id: 'embedded', hash: 'a'.repeat(64), tokenizer: 'b'.repeat(64) },
    settings: { task: 'ioi', seed: 1, components: null, data: null },
  };
  const checkpoint = join(run, 'checkpoints/last.safetensors');
  return [
    file('safetensors', 'header', join(run, 'masks.safetensors'), () =>
      readAll(join(run, 'masks.safetensors')),
    ),
    file('safetensors as bytes', 'bytes', join(run, 'masks.safetensors'), () =>
      readMasks(join(run, 'masks.safetensors')),
    ),
    file('masks', 'header', join(run, 'masks.safetensors'), () => readMasks(join(run, 'masks.safetensors'))),
    file('checkpoint', 'header', checkpoint, () => readCheckpoint(checkpoint, DIRECTIONS)),
    file('model config', 'json', join(model, 'config.json'), () => opened(model), 0.5),
    laid(
      'index of shards',
      'json',
      '{"weight_map":{"a":"x.safetensors","b":"y.safetensors"}}',
      at('sharded/model.safetensors.index.json'),
      async () => {
        writeFileSync(at('sharded/config.json'), config);
        return opened(at('sharded'));
      },
    ),
    file('tokenizer', 'json', join(model, 'tokenizer.json'), () => tokens(model), 0.01),
    laid(
      'tokenizer config',
      'json',
      '{"add_bos_token":true,"bos_token":{"content":"<s>"},"tokenizer_class":"LlamaTokenizer"}',
      join(at('model2'), 'tokenizer_config.json'),
      () => tokens(at('model2')),
      0.01,
    ),
    file('manifest', 'json', join(run, 'manifest.json'), async () =>
      repeatCommand(await readManifest(join(run, 'manifest.json'))),
    ),
    file('metrics', 'json', join(run, 'metrics.json'), () => readMetrics(join(run, 'metrics.json'))),
    file('prompt scores', 'text', join(run, 'prompts.jsonl'), () =>
      readPromptScores(join(run, 'prompts.jsonl')),
    ),
    file('history', 'text', join(run, 'history.jsonl'), async () => (await openRun(run)).readHistory()),
    file('page of hostile metrics', 'json', join(run, 'metrics.json'), () => writeReport(run), 0.02),
    pairs('pairs as JSONL', 'text', LINES, 'pairs.jsonl'),
    pairs('pairs as bytes', 'bytes', LINES, 'pairs-bytes.jsonl'),
    pairs('pairs as CSV', 'text', csv, 'pairs.csv'),
    pairs('pairs as CSV bytes', 'bytes', csv, 'pairs-bytes.csv'),
    pairs('pairs as JSON', 'json', JSON.stringify({ prompts: RECORDS }), 'pairs.json'),
    file(
      'Parquet',
      'bytes',
      join(scores, 'examples.parquet'),
      () => rows(readRecords({ path: join(scores, 'examples.parquet'), format: 'parquet' })),
      0.5,
    ),
    laid(
      'Parquet by Polars',
      'bytes',
      of(packageFile('tests/golden/cases/01-parquet-codecs/polars-default.parquet')),
      at('polars.parquet'),
      () => rows(readRecords({ path: at('polars.parquet'), format: 'parquet' })),
      0.5,
    ),
    file(
      'table of directions',
      'bytes',
      join(scores, 'directions.parquet'),
      () => rows(readDirections(scores)),
      0.5,
    ),
    file(
      'table of examples',
      'bytes',
      join(scores, 'examples.parquet'),
      () => readExamples(scores, () => true),
      0.5,
    ),
    file('scoring state', 'header', state, () => readStateFile(state, sized)),
    file('scored directions', 'json', join(shard, 'directions.json'), () =>
      readScoredWith(join(shard, 'directions.json')),
    ),
    file('counts', 'json', join(scores, 'counts.json'), () => readCounts(join(scores, 'counts.json'))),
    file('rejected records', 'text', join(scores, 'rejected.jsonl'), () =>
      joinRejected([join(scores, 'rejected.jsonl')], ['data']),
    ),
    laid(
      'progress of a sweep',
      'json',
      '{"total":3,"complete":1,"found":0,"failed":0,"running":[{"id":"a","label":"b","worker":"c","stage":"train","done":1,"total":2,"note":"","seconds":1}],"seconds":2,"seconds_left":null}',
      at('sweep/progress.json'),
      () => readProgress(at('sweep/progress.json')),
    ),
    laid(
      'failure of a job',
      'json',
      `{"id":"${ID}","error":"e","attempts":1}`,
      at(`jobs/failed/${ID}.json`),
      () => new JobsFolder(at('jobs')).failures(),
    ),
    file('results of a sweep', 'json', join(sweep.run(ID), 'metrics.json'), () => readResults([sweep]), 0.5),
    file('runs of a sweep', 'json', join(sweep.run(ID), 'manifest.json'), () => readResults([sweep]), 0.5),
    text(
      'job from a queue',
      JSON.stringify(job),
      (found) => parseJob(parseJsonObject(found, 'job'), [runJobs, shardJobs]),
      'json',
    ),
    text(
      'plan',
      'task: ioi\nl1: [auto]\nmatrix:\n  seed: 0..3\n  basis: [svd, random]\ninclude:\n  - seed: 7\nexclude:\n  - seed: 1\n',
      (found) => parsePlan(found, 'plan.yaml'),
    ),
    text('columns', 'answer=country,distractor= {other}', columnChoice),
    text('directions', 'L1H0.ov,L0.mlp_in.0-3,active', (found) => [
      chooseDirections(found, [COMPONENT]),
      parseDirectionRange(found),
      parseComponentName(found),
    ]),
    text('size', '12.5 GiB', parseByteSize),
    text('shard', '1/8', readShard),
    text('paths of data', 'nowhere/{a,b}*.jsonl', filesOf),
    ...setting
      .map(([name, entry]) =>
        text(`--${name}`, String(entry.default ?? '1'), (found) => readValue(entry, found)),
      )
      .map((each) => ({ ...each, weight: 0.05 })),
  ];
}

async function readAll(path: string): Promise<void> {
  const source = await openSafetensors(path);
  try {
    for (const name of source.names()) await source.readFloat32(name);
  } finally {
    await source.close();
  }
}

async function opened(folder: string): Promise<void> {
  const model = await openModel(folder);
  try {
    await model.ends();
    await model.layer(0);
  } finally {
    await model.close();
  }
}

async function tokens(folder: string): Promise<void> {
  const tokenizer = await openTokenizer(folder);
  tokenizer.decode(tokenizer.encode('When Mary and John'));
  for (const id of [0, 1, tokenizer.size]) tokenizer.token(id);
}

async function rows(of: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of of);
}
