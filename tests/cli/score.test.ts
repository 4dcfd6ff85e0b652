/** `orthoscope score` on the embedded model: tables, rejected records, resuming. */
import { cpSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { readParquetMetadata, readParquetRows } from '../../src/formats/parquet-file.js';
import { packageFile } from '../../src/package-file.js';
import { type CommandOptions, orthoscope } from '../support/command.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const folder = temporaryFolder();
const cache = join(folder, 'cache');
const model = packageFile('models/embedded');
const data = join(folder, 'ioi.jsonl');

function score(name: string, more: string[], options: Partial<CommandOptions> = {}) {
  const args = ['score', model, '--out', join(folder, name), '--engine', 'wasm', '--json', ...more];
  return orthoscope(args, { cache, ...options });
}

const tables = (name: string) =>
  ['directions.parquet', 'examples.parquet', 'counts.json'].map((file) =>
    readFileSync(join(folder, name, file)).toString('base64'),
  );

async function rowsOf(name: string, file: string): Promise<Record<string, unknown>[]> {
  const rows: Record<string, unknown>[] = [];
  for await (const row of readParquetRows(join(folder, name, file))) rows.push(row);
  return rows;
}

beforeAll(async () => {
  const { code, stderr } = await orthoscope(
    ['task', model, '--task', 'ioi', '--test-pairs', '1300', '--out', join(folder, 'task'), '--quiet'],
    { cache },
  );
  expect(code, stderr).toBe(0);
  writeFileSync(data, readFileSync(join(folder, 'task', 'test.jsonl')));
});

describe('orthoscope score', () => {
  it('leaves tables that say what they hold', async () => {
    const { code, stdout, stderr } = await score('whole', ['--data', data]);
    expect(code, stderr).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      directions: 780,
      counters: { ioi: { prompts: 2600, rejected: 0 } },
    });
    expect(readdirSync(join(folder, 'whole')).sort()).toEqual([
      'counts.json',
      'directions.parquet',
      'examples.parquet',
      'manifest.json',
      'report.html',
    ]);
    const rows = await rowsOf('whole', 'directions.parquet');
    expect(rows).toHaveLength(780);
    expect(rows.every((row) => row.n === 1300 && row.n_corrupted === 1300)).toBe(true);
    expect(await readParquetMetadata(join(folder, 'whole', 'directions.parquet'))).toMatchObject({
      schema_version: '1',
      positions: 'last',
      'unit.n': 'scored positions',
    });
    expect(await rowsOf('whole', 'examples.parquet')).toHaveLength(780 * 10);
  });

  it('is killed at any time and resumed to the same files', async () => {
    const states = join(folder, 'killed', 'states');
    let kills = 0;
    for (let code: number | null = null; code !== 0; ) {
      const resumed = ['--data', data, '--resume', '--checkpoint-seconds', '0', '--workers', '1'];
      ({ code } = await score('killed', resumed, {
        onStart: (kill) => {
          if (kills === 3) return;
          // As soon as this sitting has begun to write: at once, or a moment later.
          const watching = setInterval(() => {
            if (!existsSync(states)) return;
            clearInterval(watching);
            setTimeout(() => kill('SIGKILL'), 400 * kills);
          }, 5);
        },
      }));
      expect(code === null || code === 0).toBe(true);
      kills += Number(code === null);
    }
    expect(kills).toBeGreaterThan(0);
    expect(tables('killed')).toEqual(tables('whole'));
  });

  it('counts and lists what it cannot score, and stops when it is too much', async () => {
    const bad = join(folder, 'bad.jsonl');
    writeFileSync(
      bad,
      '{"text":"When Mary and John went"}\n\nnot json\n{"ids":[1,2,3]}\n{"ids":[99999]}\n{"other":1}\n{"text":""}\n',
    );
    const { code, stdout, stderr } = await score('bad', ['--data', bad]);
    expect(code, stderr).toBe(0);
    expect(JSON.parse(stdout).counters.bad).toMatchObject({ records: 6, prompts: 2, rejected: 4 });
    const lines = readFileSync(join(folder, 'bad', 'rejected.jsonl'), 'utf8')
      .trim()
      .split('\n');
    expect(
      lines.map((line) => JSON.parse(line)).map(({ line, offset, reason }) => [line, offset, reason]),
    ).toEqual([
      [3, 36, expect.stringContaining('not valid JSON')],
      [5, 61, expect.stringContaining('token 99999 is outside the vocabulary')],
      [6, 77, expect.stringContaining('no prompt')],
      [7, 89, expect.stringContaining('is empty')],
    ]);
    const stopped = await score('stopped', ['--data', bad, '--max-rejected', '3']);
    expect(stopped.code).toBe(2);
    expect(stopped.stderr).toMatch(/4 records rejected, at most 3/);
    expect(existsSync(join(folder, 'stopped', 'directions.parquet'))).toBe(false);
    expect(await score('stopped', ['--data', bad, '--max-rejected', '4', '--resume'])).toMatchObject({
      code: 0,
    });
    expect(tables('stopped')).toEqual(tables('bad'));
  });

  it('is dealt out to shards that join to what one run gives', async () => {
    const shards = ['first', 'second'];
    for (const [i, name] of shards.entries())
      expect(await score(name, ['--data', data, '--shard', `${i + 1}/2`])).toMatchObject({ code: 0 });
    const joined = (names: string[], out: string) =>
      orthoscope(['score', 'merge', ...names.map((name) => join(folder, name)), '--out', join(folder, out)], {
        cache,
      });
    const missing = await joined(['second'], 'half');
    expect(missing.code).toBe(2);
    expect(missing.stderr).toMatch(/shard 1\/2 of "ioi" is missing/);
    const { code, stderr } = await joined(shards.reverse(), 'joined');
    expect(code, stderr).toBe(0);
    expect(tables('joined')).toEqual(tables('whole'));
    const wordless = await orthoscope(
      [
        'score',
        'merge',
        ...shards.map((name) => join(folder, name)),
        '--out',
        join(folder, 'wordless'),
      ].concat('--model', folder),
      { cache },
    );
    expect(wordless).toMatchObject({
      code: 0,
      stderr: expect.stringContaining(`${folder}: no tokenizer.json; examples will hold token ids`),
    });
  });

  it('shows the strongest directions, and says what a run would take', async () => {
    const { stdout } = await orthoscope(['score', 'show', join(folder, 'whole'), '--top', '3', '--json'], {
      cache,
    });
    const [{ dataSet, by, rows }] = JSON.parse(stdout);
    expect([dataSet, by, rows.length]).toEqual(['ioi', 'cohens_d', 3]);
    const all = await rowsOf('whole', 'directions.parquet');
    const strongest = Math.max(...all.map((row) => Math.abs((row.cohens_d as number | null) ?? 0)));
    expect(Math.abs(rows[0].cohens_d)).toBe(strongest);
    const dry = await orthoscope(
      [
        'score',
        model,
        '--data',
        data,
        '--engine',
        'wasm',
        '--dry-run',
        '--json',
        '--directions',
        'L0H1.qk,L1.mlp_in.0-3',
      ],
      { cache },
    );
    const estimate = JSON.parse(dry.stdout);
    expect(estimate.directions).toBe(20);
    const whole = JSON.parse(readFileSync(join(folder, 'whole', 'counts.json'), 'utf8')).ioi;
    expect(Math.abs(estimate.data_sets.ioi.tokens / whole.tokens - 1)).toBeLessThan(0.05);
    expect(estimate.tables_seconds).toBeGreaterThan(0);
    expect(estimate.seconds).toBeGreaterThan(estimate.load_seconds + estimate.tables_seconds);
  });

  it('shows nothing of a folder that is damaged', async () => {
    for (const name of ['manifest.json', 'counts.json']) {
      const damaged = join(folder, `damaged ${name}`);
      cpSync(join(folder, 'whole'), damaged, { recursive: true });
      writeFileSync(join(damaged, name), '{"io');
      const { code, stdout, stderr } = await orthoscope(['score', 'show', damaged], { cache });
      expect([code, stdout]).toEqual([2, '']);
      expect(stderr).toContain(`${join(damaged, name)}: not valid JSON`);
    }
  });

  it('reads a pipe beside a file, and writes every value on request', async () => {
    const text = join(folder, 'more.txt');
    const lines = readFileSync(data, 'utf8').trim().split('\n').slice(0, 20);
    writeFileSync(text, lines.map((line) => `${JSON.parse(line).clean}\n`).join(''));
    const wanted = ['--directions', 'L0H1.qk.2,L2.mlp_out.0-1', '--positions', 'all', '--values', 'f32'];
    const { code, stderr } = await score('piped', ['--data=-', '--data', `more=${text}`, ...wanted], {
      stdin: lines.join('\n'),
    });
    expect(code, stderr).toBe(0);
    const rows = await rowsOf('piped', 'directions.parquet');
    expect(rows.map(({ data_set, direction }) => `${data_set} ${direction}`)).toEqual([
      'stdin L0H1.qk.2',
      'stdin L2.mlp_out.0',
      'stdin L2.mlp_out.1',
      'more L0H1.qk.2',
      'more L2.mlp_out.0',
      'more L2.mlp_out.1',
    ]);
    // The same prompts in the same batches, only without their corrupted twins.
    const clean = ['n', 'mean', 'variance', 'min', 'max', 'q50'].map((name) => rows.map((row) => row[name]));
    for (const figures of clean) expect(figures.slice(0, 3)).toEqual(figures.slice(3));
    const values = await rowsOf('piped', 'scores.parquet/stdin-000000.parquet');
    const own = values.filter((row) => row.direction_id === 1 && row.corrupted === false);
    expect(own).toHaveLength(rows[1]!.n as number);
    const mean = own.reduce((sum, row) => sum + (row.value as number), 0) / own.length;
    expect(Math.abs(mean - (rows[1]!.mean as number))).toBeLessThan(1e-6 * Math.abs(mean));
  });

  it('goes on where it was killed between the last record and its tables', async () => {
    cpSync(join(folder, 'whole'), join(folder, 'cut'), { recursive: true });
    const path = join(folder, 'cut', 'manifest.json');
    writeFileSync(path, JSON.stringify({ ...JSON.parse(readFileSync(path, 'utf8')), status: 'running' }));
    const { code, stderr } = await score('cut', ['--data', data, '--resume']);
    expect(code, stderr).toBe(0);
    expect(tables('cut')).toEqual(tables('whole'));
  });

  it('says that there is nothing to resume, and takes several data sets wherever the command stands', async () => {
    const one = join(folder, 'resumed.jsonl');
    writeFileSync(one, '{"clean": "When Mary"}\n');
    const args = ['score', model, '--engine', 'wasm', '--out', join(folder, 'anew'), '--resume'];
    const first = await orthoscope(['--json', ...args, '--data', `a=${one}`, '--data', `b=${one}`], {
      cache,
    });
    expect(first.code, first.stderr).toBe(0);
    expect(first.stderr).toContain('anew: nothing to resume there; starting anew');
    expect(Object.keys(JSON.parse(first.stdout).counters)).toEqual(['a', 'b']);
  });

  it('says so when there is nothing to score, and ranks nothing where there is too little', async () => {
    const [empty, broken, one] = ['empty', 'broken', 'one'].map((name) => join(folder, `${name}.jsonl`));
    writeFileSync(empty!, '');
    writeFileSync(broken!, 'broken\nbroken\n');
    writeFileSync(one!, '{"clean": "When Mary"}\n');
    const none = await score('empty', ['--data', empty!]);
    expect(none.code).toBe(2);
    expect(none.stderr).toMatch(/empty\.jsonl: is empty/);
    const nothing = await score('broken', ['--data', broken!]);
    expect(nothing.code).toBe(2);
    expect(nothing.stderr).toMatch(/all 2 records were rejected; see .*rejected\.jsonl/);
    expect((await score('one', ['--data', one!, '--data', empty!])).code).toBe(0);
    const show = (...more: string[]) =>
      orthoscope(['score', 'show', join(folder, 'one'), ...more], { cache });
    expect((await show()).stdout).toMatch(/one, 1 positions: too few[\s\S]*empty, 0 positions: too few/);
    expect(await show('--by', 'auroc')).toMatchObject({ code: 2 });
  });

  it('looks at the queue’s URL in a dry run, too', async () => {
    const { code, stderr } = await orthoscope(
      ['score', model, '--data', data, '--redis', 'foo', '--dry-run', '--quiet'],
      { cache },
    );
    expect([code, stderr]).toEqual([2, expect.stringContaining('--redis: give a URL')]);
  });

  it('writes nothing where a data set cannot be read at all', async () => {
    const damaged = join(folder, 'damaged.parquet');
    writeFileSync(damaged, 'PAR1 and no more');
    const out = join(folder, 'unread');
    const { code, stderr } = await orthoscope(
      ['score', model, '--data', damaged, '--out', out, '--engine', 'wasm', '--quiet'],
      { cache },
    );
    expect(code).toBe(2);
    expect(stderr).toMatch(/damaged\.parquet: not a Parquet file, or a damaged one/);
    expect(existsSync(out)).toBe(false);
  });

  it('refuses to go on when the data has changed', async () => {
    const changing = join(folder, 'changing.jsonl');
    const lines = readFileSync(data, 'utf8').split('\n');
    writeFileSync(changing, [...lines.slice(0, 600), ...Array<string>(5).fill('broken')].join('\n'));
    expect(await score('changed', ['--data', changing, '--max-rejected', '4'])).toMatchObject({ code: 2 });
    const again = await score('changed', ['--data', changing, '--max-rejected', '4', '--resume']);
    expect(again.code).toBe(2);
    expect(again.stderr).toMatch(/5 records rejected, at most 4 are tolerated/);
    writeFileSync(changing, lines.slice(1).join('\n'));
    const { code, stderr } = await score('changed', ['--data', changing, '--resume']);
    expect(code).toBe(2);
    expect(stderr).toMatch(/are not those that were scored before/);
  });
});
