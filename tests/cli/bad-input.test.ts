/** Whatever is wrong with the input: exit code 2, one clear line, nothing half-written. */
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { writeMasks } from '../../src/masks/masks-file.js';
import { packageFile } from '../../src/package-file.js';
import { wordTokenizer } from '../../src/tasks/word-tokenizer.js';
import { orthoscope } from '../support/command.js';
import { orthoscopeHere } from '../support/command-here.js';
import { writeRandomGpt2 } from '../support/random-gpt2.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const folder = temporaryFolder();
const cache = join(folder, 'cache');
const model = join(folder, 'model');
const pairs = join(folder, 'pairs.jsonl');
const out = join(folder, 'out');

const WORDS = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];

beforeAll(async () => {
  await writeRandomGpt2(model, {});
  writeFileSync(join(model, 'tokenizer.json'), JSON.stringify(wordTokenizer(WORDS)));
  writeFileSync(pairs, '{"clean":"a b","corrupted":"c d","answer":" e"}\n');
});

let copies = 0;

/** A copy of the model that something is done to. */
function damaged(damage: (copy: string) => void): string {
  const copy = join(folder, `damaged-${copies++}`);
  cpSync(model, copy, { recursive: true });
  damage(copy);
  return copy;
}

/** Rewrites the safetensors header, keeping its length by padding with spaces. */
function editHeader(
  copy: string,
  edit: (header: Record<string, { data_offsets: [number, number] }>) => void,
): void {
  const path = join(copy, 'model.safetensors');
  const bytes = readFileSync(path);
  const length = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.subarray(8, 8 + length).toString());
  edit(header);
  const text = Buffer.from(JSON.stringify(header));
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt(text.length));
  writeFileSync(path, Buffer.concat([prefix, text, bytes.subarray(8 + length)]));
}

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

/** A file in another encoding than UTF-8. */
function latin(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text, 'latin1');
  return path;
}

const WTE = 'transformer.wte.weight';

describe('bad input', () => {
  const cases: [title: string, args: () => string[], message: RegExp][] = [
    [
      'a missing model',
      () => ['train', join(folder, 'nowhere', 'at', 'all'), '--data', pairs],
      /no such folder/,
    ],
    ['a folder without a config', () => ['train', folder, '--data', pairs], /no config.json/],
    [
      'an unknown architecture',
      () => [
        'train',
        damaged((copy) => writeFileSync(join(copy, 'config.json'), '{"model_type":"rwkv"}')),
        '--data',
        pairs,
      ],
      /"model_type" is "rwkv"/,
    ],
    [
      'a cut weight file',
      () => ['train', damaged((copy) => truncateSync(join(copy, 'model.safetensors'), 900)), '--data', pairs],
      /model\.safetensors/,
    ],
    [
      'overlapping offsets',
      () => [
        'train',
        damaged((copy) =>
          editHeader(copy, (header) => {
            header['transformer.h.0.ln_1.bias']!.data_offsets =
              header['transformer.h.0.ln_1.weight']!.data_offsets;
          }),
        ),
        '--data',
        pairs,
      ],
      /tensor .* starts at byte/,
    ],
    [
      'offsets out of range',
      () => [
        'train',
        damaged((copy) =>
          editHeader(copy, (header) => {
            const [from, to] = header[WTE]!.data_offsets;
            header[WTE]!.data_offsets = [from + 1e9, to + 1e9];
          }),
        ),
        '--data',
        pairs,
      ],
      /model\.safetensors/,
    ],
    [
      'weights that are not numbers',
      () => [
        'train',
        damaged((copy) => {
          const path = join(copy, 'model.safetensors');
          const bytes = readFileSync(path);
          bytes.writeFloatLE(Number.NaN, bytes.length - 4);
          writeFileSync(path, bytes);
        }),
        '--data',
        pairs,
      ],
      /NaN/,
    ],
    [
      'a word that only the tokenizer has',
      () => [
        'train',
        damaged((copy) => {
          const words = [...'abcdefghijklmnopqrstuvwxyz'];
          writeFileSync(join(copy, 'tokenizer.json'), JSON.stringify(wordTokenizer(words)));
        }),
        '--data',
        file('beyond.jsonl', '{"clean":"a z","corrupted":"c d"}'),
      ],
      /beyond\.jsonl: pair "1": token 26 is outside the vocabulary \(0 to \d+\)$/m,
    ],
    ['a missing data file', () => ['train', model, '--data', join(folder, 'none.jsonl')], /none\.jsonl/],
    ['an empty data file', () => ['train', model, '--data', file('empty.jsonl', '')], /empty\.jsonl/],
    [
      'a line that is no JSON',
      () => ['train', model, '--data', file('broken.jsonl', '{"clean":"a","corrupted":"b"}\n{"clean')],
      /broken\.jsonl:2/,
    ],
    [
      'an answer that the tokenizer does not know',
      () => [
        'train',
        model,
        '--data',
        file('answer.jsonl', '{"clean":"a b","corrupted":"c d","answer":" zebra"}'),
      ],
      /answer\.jsonl: pair "1": the tokenizer does not know the answer " zebra"/,
    ],
    [
      'a loss that needs answers where there are none',
      () => [
        'train',
        model,
        '--loss',
        'cross_entropy',
        '--data',
        file('bare.jsonl', '{"clean":"a b","corrupted":"c d"}'),
      ],
      /has no answer, which the loss "cross_entropy" reads/,
    ],
    [
      'a rule that needs corrupted prompts where there are none',
      () => ['train', model, '--data', file('clean.jsonl', '{"clean":"a b"}')],
      /no corrupted prompt/,
    ],
    [
      'pairs of unequal length with all positions masked',
      () => [
        'train',
        model,
        '--positions',
        'all',
        '--data',
        file('uneven.jsonl', '{"clean":"a b","corrupted":"c d e"}'),
      ],
      /aligned pairs of equal length/,
    ],
    ['no prompts at all', () => ['train', model], /--task NAME or --data FILE/],
    [
      'an unknown task',
      () => ['train', model, '--task', 'chess'],
      /--task chess: choose from ioi, greater-than, /,
    ],
    ['an unknown flag', () => ['train', model, '--data', pairs, '--steeps', '3'], /steeps/],
    [
      'a flag of another command within the same one',
      () => ['score', 'show', folder, '--directions', 'all'],
      /--directions must stand behind a command that takes it; see --help$/m,
    ],
    ['a number that is none', () => ['train', model, '--data', pairs, '--lr', 'fast'], /--lr fast/],
    ['a number out of range', () => ['train', model, '--data', pairs, '--init', '1.5'], /--init 1\.5/],
    ['an unknown kind', () => ['train', model, '--data', pairs, '--components', 'qk,mlp'], /"mlp"/],
    [
      'a kind that the model lacks',
      () => ['train', model, '--data', pairs, '--components', 'mlp_gate'],
      /mlp_gate/,
    ],
    [
      'an unknown key in the config file',
      () => ['train', model, '--data', pairs, '--config', file('config.yaml', 'learning-rate: 3\n')],
      /learning-rate|learningRate/,
    ],
    [
      'a config file that is no YAML',
      () => ['train', model, '--data', pairs, '--config', file('bad.yaml', 'lr: [1')],
      /bad\.yaml/,
    ],
    [
      'a flag that is given twice',
      () => ['train', model, '--data', pairs, '--seed', '1', '--seed=2'],
      /--seed: is given twice; leave one out$/m,
    ],
    [
      'an empty flag',
      () => ['train', model, '--data', pairs, '--store', ''],
      /--store: has no value; give one or leave it out$/m,
    ],
    [
      'a flag that is empty behind "="',
      () => ['train', model, '--data='],
      /--data: has no value; give one or leave it out$/m,
    ],
    [
      'more threads than any machine has',
      () => ['train', model, '--data', pairs, '--workers', '1e9'],
      /--workers 1e9: give a whole number from 1 to 1024$/m,
    ],
    [
      'a whole number that is none',
      () => ['train', model, '--data', pairs, '--workers', 'two'],
      /--workers two: give a whole number from 1 to 1024$/m,
    ],
    [
      'more prompts than can be made',
      () => ['train', model, '--task', 'ioi', '--train-pairs', '1e9'],
      /--train-pairs 1e9: give a whole number from 0 to 100000$/m,
    ],
    [
      'more resamples than can be drawn',
      () => ['run', model, '--data', pairs, '--out', out, '--resamples', '1e12'],
      /--resamples 1e12: /,
    ],
    [
      'a store that is a file',
      () => ['decompose', model, '--store', file('store', '')],
      /store: is a file|a part of this path is a file/,
    ],
    ['a command without its model', () => ['train'], /^orthoscope: train: <model> is missing; see --help$/m],
    [
      'a command within a command without its folder',
      () => ['score', 'merge', '--out', out],
      /^orthoscope: score merge: <shards\.\.> is missing/,
    ],
    ['a scoring without a model', () => ['score'], /no model: give a folder/],
    [
      'a flag without its value',
      () => ['evaluate', model, '--data', pairs, '--masks'],
      /--masks: has no value; give one or leave it out$/m,
    ],
    [
      'a number without its value',
      () => ['task', model, '--task', 'ioi', '--seed', '--out', out],
      /^orthoscope: --seed: has no value; give one or leave it out$/m,
    ],
    [
      'a choice without its value',
      () => ['evaluate', model, '--data', pairs, '--engine'],
      /--engine: has no value; give one or leave it out$/m,
    ],
    [
      'a config file without its name',
      () => ['train', model, '--data', pairs, '--config'],
      /--config: has no value; give one or leave it out$/m,
    ],
    [
      'a data set that is given twice where one is taken',
      () => ['--json', 'train', model, '--data', pairs, '--data', pairs],
      /--data: is given twice; leave one out$/m,
    ],
    [
      'a seed that would be another one',
      () => ['task', model, '--task', 'ioi', '--seed', '4294967296', '--out', out],
      /--seed 4294967296: give a whole number from -2147483648 to 2147483647/,
    ],
    [
      'a component that the model lacks',
      () => ['score', model, '--data', pairs, '--out', out, '--quiet', '--directions', 'L9H9.ov'],
      /--directions L9H9\.ov: the model has no L9H9\.ov; its components are L0H0\.qk to L\d\.mlp_out/,
    ],
    [
      'more examples than can be kept',
      () => ['score', model, '--data', pairs, '--out', out, '--examples', '1e12'],
      /--examples 1e12: give a whole number from 0 to 1000$/m,
    ],
    [
      'longer examples than can be kept',
      () => ['score', model, '--data', pairs, '--out', out, '--context', '1e12'],
      /--context 1e12: give a whole number from 1 to 10000$/m,
    ],
    [
      'a threshold that no mask can be above',
      () => ['score', model, '--data', pairs, '--out', out, '--threshold', '2'],
      /--threshold 2: give a number from 0 to below 1$/m,
    ],
    [
      'checkpoints once in an age',
      () => ['score', model, '--data', pairs, '--out', out, '--checkpoint-seconds', '1e99'],
      /--checkpoint-seconds 1e99: give a whole number from 0 to 86400$/m,
    ],
    [
      'prompt pairs into a file',
      () => ['task', packageFile('models/embedded'), '--task', 'ioi', '--out', file('taken', '')],
      /taken: is a file, not a folder/,
    ],
    [
      'bytes that are no text',
      () => ['train', model, '--data', latin('latin.csv', 'clean,corrupted\na b,c d\nê,c d\n')],
      /latin\.csv:3: not valid UTF-8/,
    ],
    [
      'bytes that are no text in JSON',
      () => ['train', model, '--data', latin('latin.jsonl', '{"clean":"ê","corrupted":"b"}\n')],
      /latin\.jsonl:1: not valid UTF-8/,
    ],
    ['a command that does not exist', () => ['trian', model], /trian/],
  ];

  for (const [at, [title, args, message]] of cases.entries())
    it(`refuses ${title}`, async () => {
      const [command, ...rest] = args();
      const target = command === 'train' ? ['--out', out, '--engine', 'wasm', '--quiet'] : [];
      // The first by the program itself, all by its commands.
      const run = at === 0 ? orthoscope : orthoscopeHere;
      const { code, stdout, stderr } = await run([command!, ...rest, ...target], { cache });
      expect(stderr.trim().split('\n'), stderr).toHaveLength(1);
      expect(stderr).toMatch(message);
      expect(code).toBe(2);
      expect(stdout).toBe('');
      expect(existsSync(out)).toBe(false);
    });

  it('refuses masks of another model, form or shape', async () => {
    const evaluate = (masks: string, ...more: string[]) =>
      orthoscopeHere(
        ['evaluate', model, '--masks', masks, '--data', pairs, '--engine', 'wasm', '--quiet', ...more],
        { cache },
      );
    const write = async (name: string, values: [string, Float32Array][], metadata = {}) => {
      const path = join(folder, name);
      await writeMasks(path, { values: new Map(values), metadata });
      return path;
    };
    const fits: [string, Float32Array] = ['L0H0.qk', new Float32Array(6).fill(0.5)];
    const outcomes = [
      [
        await evaluate(await write('short', [['L0H0.qk', new Float32Array(5)]])),
        /has 5 masks, the model 6 directions/,
      ],
      [await evaluate(await write('alien', [['L7H0.qk', new Float32Array(6)]])), /no component/],
      [await evaluate(await write('other', [fits], { modelHash: 'ab'.repeat(32) })), /another model/],
      [await evaluate(await write('form', [fits], { weightForm: 'folded' })), /--form folded/],
      [await evaluate(join(folder, 'no-masks.safetensors')), /no-masks\.safetensors/],
    ] as const;
    for (const [{ code, stderr }, message] of outcomes) {
      expect(stderr.trim().split('\n'), stderr).toHaveLength(1);
      expect(stderr).toMatch(message);
      expect(code).toBe(2);
    }
  });

  it('does not touch a folder that holds another run or other files', async () => {
    const run = join(folder, 'first');
    const train = (steps: string, ...more: string[]) =>
      orthoscopeHere(
        [
          'train',
          model,
          '--data',
          pairs,
          '--out',
          run,
          '--engine',
          'wasm',
          '--steps',
          steps,
          '--rounding-steps',
          '0',
          '--quiet',
          ...more,
        ],
        { cache },
      );
    expect(await train('2')).toMatchObject({ code: 0 });
    const before = readFileSync(join(run, 'manifest.json'), 'utf8');
    const again = await train('3');
    expect(again.code).toBe(2);
    expect(again.stderr).toMatch(/already holds a run/);
    const resumed = await train('3', '--resume');
    expect(resumed.code).toBe(2);
    expect(resumed.stderr).toMatch(/settings\.steps/);
    expect(readFileSync(join(run, 'manifest.json'), 'utf8')).toBe(before);

    const full = join(folder, 'full');
    mkdirSync(full);
    writeFileSync(join(full, 'thesis.tex'), 'years of work');
    const other = await orthoscopeHere(['train', model, '--data', pairs, '--out', full, '--engine', 'wasm'], {
      cache,
    });
    expect(other.code).toBe(2);
    expect(readdirSync(full)).toEqual(['thesis.tex']);
  });
});
