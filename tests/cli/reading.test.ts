/** `orthoscope interpret`, `trace` and `intervene` on the embedded model, with masks of its pronoun circuit. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { HeadsOutcome } from '../../src/commands/heads.js';
import type { InterpretSummary } from '../../src/commands/interpret.js';
import type { InterveneSummary } from '../../src/commands/intervene.js';
import type { Trace } from '../../src/commands/trace.js';
import { readParquetRows } from '../../src/formats/parquet-file.js';
import type { CommandOutcome } from '../support/command.js';
import { orthoscopeHere } from '../support/command-here.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const folder = temporaryFolder();
const cache = join(folder, 'cache');
const run = join(folder, 'run');

/** Directions that carry the name's gender: what is measured of them is below. */
const PRONOUN = 'L0H0.ov.0,L2H1.ov.0-2';

async function read<T>(args: string[]): Promise<T> {
  const { code, stdout, stderr } = await orthoscopeHere([...args, '--engine', 'wasm', '--json'], { cache });
  expect(code, stderr).toBe(0);
  return JSON.parse(stdout) as T;
}

const refused = async (args: string[]): Promise<string> => {
  const { code, stderr }: CommandOutcome = await orthoscopeHere([...args, '--quiet'], { cache });
  expect(code).toBe(2);
  return stderr;
};

beforeAll(async () => {
  const sizes = ['--train-pairs', '64', '--validation-pairs', '16', '--test-pairs', '40', '--steps', '2'];
  await read([
    ...['train', 'embedded', '--task', 'gendered-pronoun', '--out', run, '--rounding-steps', '1'],
    ...sizes,
  ]);
});

describe('orthoscope intervene', () => {
  it('turns pronouns round with four directions, in place and by the direct way, and not with others', async () => {
    const out = join(folder, 'swapped');
    const summary = await read<InterveneSummary>([
      ...['intervene', 'embedded', '--directions', PRONOUN, '--change', 'opposite', '--out', out],
      ...['--draws', '3', '--task', 'gendered-pronoun', '--train-pairs', '64', '--test-pairs', '40'],
    ]);
    expect(summary.tested.prompts).toBe(40);
    for (const { set, flipped, next_token, change, as_large } of summary.tested.effects) {
      expect(flipped.value, set).toBe(set === 'chosen' ? 1 : 0);
      if (set === 'chosen') expect(change.interval![1]).toBeLessThan(-10);
      else expect([next_token.value, as_large]).toEqual([0, 0]);
    }
    const rows: Record<string, unknown>[] = [];
    for await (const row of readParquetRows(join(out, 'outcomes.parquet'))) rows.push(row);
    // Chosen, and two controls drawn three times, in two ways.
    expect(rows).toHaveLength(40 * 7 * 2);
    expect(JSON.parse(readFileSync(join(out, 'effects.json'), 'utf8')).directions).toHaveLength(4);
  });

  it('says what cannot be done', async () => {
    const prompt = ['--prompt', "So Sarah is such a great friend, isn't"];
    expect(await refused(['intervene', 'embedded', ...prompt])).toContain(
      '--directions active: is for a run',
    );
    const one = ['intervene', 'embedded', '--directions', 'L2H1.ov.0', ...prompt];
    expect(await refused(one)).toContain('pair "prompt" has no corrupted prompt');
    expect(await refused([...one, '--change', 'mean'])).toContain('give --task or --data');
    expect(await refused([...one, '--change', 'ablate', '--at', '40'])).toContain('has the tokens 0 to 8');
    expect(await refused([...one, '--change', 'ablate', '--at', 'John'])).toContain('no such text');
  });
});

describe('means over a group, at tokens of a class', () => {
  const intervene = (name: string, ...more: string[]) =>
    read<InterveneSummary>([
      ...['intervene', 'embedded', '--directions', PRONOUN, '--out', join(folder, name), '--draws', '0'],
      ...['--task', 'gendered-pronoun', '--train-pairs', '64', '--test-pairs', '40', ...more],
    ]);
  const flipped = ({ tested }: InterveneSummary) =>
    tested.effects.find(({ set, way }) => set === 'chosen' && way === 'in place')!.flipped.value!;

  it('a group’s mean turns the prompts of the other group round, and no others', async () => {
    const summary = await intervene('she', '--change', 'mean', '--group', 'she');
    const rows: { pair: string; group: string; flipped: boolean }[] = [];
    for await (const row of readParquetRows(join(folder, 'she/outcomes.parquet'))) rows.push(row as never);
    // Half of the prompts are of men.
    expect(flipped(summary)).toBeGreaterThan(0.3);
    expect(flipped(summary)).toBeLessThan(0.7);
    expect(rows.length).toBeGreaterThan(0);
    const args = ['intervene', 'embedded', '--directions', PRONOUN, '--task', 'gendered-pronoun'];
    const unknown = await refused([...args, '--change', 'mean', '--group', 'nobody']);
    expect(unknown).toMatch(/--group nobody: no prompt is of it; there are he, she/);
    expect(await refused([...args, '--group', 'she'])).toContain('is for --change mean');
  });

  it('a class is where its tokens are: the last one speaks, and the first has seen no name yet', async () => {
    const at = async (name: string) =>
      flipped(await intervene(name.replace(/\W/g, ''), '--change', 'corrupted', '--at', name));
    const unknown = await refused([
      ...['intervene', 'embedded', '--directions', 'L0H0.ov.0', '--task', 'gendered-pronoun'],
      ...['--change', 'corrupted', '--at', 'class:nothing'],
    ]);
    const classes = /it has (.+)/.exec(unknown)![1]!.trim().split(', ');
    expect(classes).toContain('first');
    expect(await at('last')).toBe(1);
    // "isn't", the last token, is one.
    expect(await at('class:function words')).toBe(1);
    expect(await at('class:first')).toBe(0);
  });
});

describe('what reading would take', () => {
  interface Estimate {
    directions: number;
    prompts: number;
    memory_bytes: number;
  }
  const prompt = ['--prompt', "So Sarah is such a great friend, isn't"];

  it.each([
    ['interpret', ['interpret', 'RUN', '--directions', PRONOUN], { directions: 4, prompts: 40 }],
    [
      'interpret without prompts',
      ['interpret', 'embedded', '--directions', 'all'],
      { directions: 780, prompts: 0 },
    ],
    [
      'intervene',
      ['intervene', 'RUN', '--directions', PRONOUN, ...prompt, '--change', 'ablate'],
      { directions: 4, prompts: 1 },
    ],
    ['trace', ['trace', 'RUN', ...prompt], { directions: 780, prompts: 1 }],
    ['heads', ['heads', 'embedded', '--sequences', '4'], { directions: 0, prompts: 4 }],
  ])('%s', async (_, args, wanted) => {
    const given = args.map((word) => (word === 'RUN' ? run : word));
    const estimate = await read<Estimate>([...given, '--dry-run']);
    expect(estimate).toMatchObject(wanted);
    expect(estimate.memory_bytes).toBeGreaterThan(1e8);
    expect(estimate.memory_bytes).toBeLessThan(2e9);
    const { code, stdout } = await orthoscopeHere([...given, '--dry-run', '--engine', 'wasm'], { cache });
    expect(code).toBe(0);
    expect(stdout).toMatch(/^engine {2}wasm\nreads {3}/);
    expect(stdout).toMatch(/\nmemory {2}[\d.]+ [MG]B/);
  });
});

describe('orthoscope trace', () => {
  it('adds up, and shows what a patch does', async () => {
    const found = await read<Trace>([
      ...['trace', run, '--prompt', "So Sarah is such a great friend, isn't", '--answer', ' she'],
      ...['--distractor', ' he', '--corrupted', "So John is such a great friend, isn't", '--patch', PRONOUN],
    ]);
    const { parts, logit_difference, head, kl, next_tokens } = found;
    const total = parts.directions.reduce((sum, { value }) => sum + value, 0);
    expect(parts.embedding + parts.position + parts.bias + total).toBeCloseTo(logit_difference.full, 3);
    expect(parts.components.reduce((sum, { value }) => sum + value, 0)).toBeCloseTo(total, 6);
    expect(logit_difference.full).toBeGreaterThan(5);
    expect(logit_difference.changed).toBeLessThan(-5);
    expect(kl).toBeGreaterThan(5);
    expect(next_tokens[0]).toMatchObject({ token: ' she' });
    expect(head.score.reduce((sum, { value }) => sum + value, 0)).toBeCloseTo(head.keys[head.key]!.score, 3);
    const added = head.keys.reduce((sum, { adds }) => sum + adds!, 0);
    const whole = parts.components.find(({ name }) => name === `${head.head}.ov`)!.value;
    expect(added + head.bias!).toBeCloseTo(whole, 3);
  });

  it('writes all rows to a table, and shows what directions are called', async () => {
    writeFileSync(join(run, 'labels.csv'), 'direction,label,rule\nL0H0.ov.0,the gender,\n');
    const table = join(folder, 'trace.parquet');
    const args = ['trace', run, '--prompt', "So Sarah is such a great friend, isn't", '--table', table];
    const found = await read<Trace>(args);
    expect(found.parts.directions.find(({ name }) => name === 'L0H0.ov.0')!.label).toBe('the gender');
    const rows: Record<string, unknown>[] = [];
    for await (const row of readParquetRows(table)) rows.push(row);
    const of = (name: string) => rows.filter((row) => row.of === name);
    expect(of('component').map(({ name, value }) => ({ name, value }))).toEqual(
      found.parts.components.map(({ name, value }) => ({ name, value })),
    );
    expect(of('direction')).toHaveLength(found.parts.directions.length);
    expect(of('direction').find(({ name }) => name === 'L0H0.ov.0')!.label).toBe('the gender');
    expect(of('score')).toHaveLength(found.head.score.length);
    expect(of('attention')).toHaveLength(found.tokens.length);
    const total = of('end')
      .concat(of('direction'))
      .reduce((sum, { value }) => sum + (value as number), 0);
    expect(total).toBeCloseTo(found.logit_difference.full, 3);
    const { stdout } = await orthoscopeHere([...args, '--top', '780', '--engine', 'wasm'], { cache });
    expect(stdout).toContain('\n  L0H0.ov.0  the gender\n');
    rmSync(join(run, 'labels.csv'));
  });
});

describe('orthoscope heads', () => {
  it('names no head of a model that has seen no random tokens, and says what each does', async () => {
    const args = ['heads', 'embedded', '--directions', 'L1H0.qk.0,L2H1.ov.0', '--sequences', '4'];
    const { heads, directions, even } = await read<HeadsOutcome>(args);
    expect(heads).toHaveLength(12);
    for (const { attention, names, offsets } of heads) {
      expect(names).toEqual([]);
      expect(Object.values(attention).every((share) => share >= 0 && share < 4 * even)).toBe(true);
      expect(offsets).toHaveLength(3);
    }
    expect(directions.map(({ alone, copying }) => [alone === null, copying === null])).toEqual([
      [false, true],
      [true, false],
    ]);
    expect(await refused(['heads', 'embedded', '--length', '20'])).toContain('give at most 16');
  });

  it('writes a row for each head and direction to a table', async () => {
    const table = join(folder, 'heads.parquet');
    const args = ['heads', 'embedded', '--directions', 'L1H0.qk.0,L2H1.ov.0', '--sequences', '2'];
    const { heads, directions } = await read<HeadsOutcome>([...args, '--table', table]);
    const rows: Record<string, unknown>[] = [];
    for await (const row of readParquetRows(table)) rows.push(row);
    expect(rows.map(({ name }) => name)).toEqual([
      ...heads.map(({ head }) => head),
      ...directions.map(({ direction }) => direction),
    ]);
    heads.forEach(({ attention, copying, offsets }, at) =>
      expect(rows[at]).toMatchObject({ ...attention, copying, offsets, is_head: true, without_first: null }),
    );
    expect(rows[12]).toMatchObject({ ...directions[0]!.alone, without_first: directions[0]!.without!.first });
    expect(rows[13]).toMatchObject({ first: null, copying: directions[1]!.copying });
  });
});

describe('orthoscope interpret', () => {
  it('knows what QK directions look for', async () => {
    const summary = await read<InterpretSummary>([
      ...['interpret', 'embedded', '--task', 'ioi', '--test-pairs', '60', '--directions', 'L1H0.qk.0-3'],
      ...['--out', join(folder, 'roles')],
    ]);
    const role = summary.top.find(({ direction }) => direction === 'L1H0.qk.3')!.role!;
    const again = role.classes.find((each) => each.class === 'distractor again')!;
    expect(again.separation!.effect).toBeGreaterThan(0.9);
    expect(again.separation!.q).toBeLessThan(1e-6);
    expect(again.top).toBeGreaterThan(4 * again.chance);
  });

  it('knows women from men, and the direction that says so', async () => {
    const out = join(folder, 'readings');
    const summary = await read<InterpretSummary & { table: string }>([
      ...['interpret', run, '--directions', PRONOUN, '--out', out, '--exact', '1', '--tokens', '6'],
    ]);
    expect(summary).toMatchObject({ directions: 4, prompts: 40 });
    const gender = summary.top.find(({ direction }) => direction === 'L0H0.ov.0')!;
    const ends = [gender.raises!, gender.lowers!].map((tokens) => tokens.map(({ token }) => token));
    const [she, he] = ends[0]!.includes(' she') ? ends : [...ends].reverse();
    expect(she).toContain(' she');
    expect(he).toContain(' he');
    expect(gender.adds!.low).toBeGreaterThan(1);
    expect(Math.sign(gender.groups!.she!.mean)).toBe(-Math.sign(gender.groups!.he!.mean));
    const rows: Record<string, unknown>[] = [];
    for await (const row of readParquetRows(summary.table)) rows.push(row);
    expect(rows.map(({ direction }) => direction)).toEqual([
      'L0H0.ov.0',
      'L2H1.ov.0',
      'L2H1.ov.1',
      'L2H1.ov.2',
    ]);
  });

  it('reads test pairs of a run whose prompts were one file, and none that it learned from', async () => {
    const [files, own] = [join(folder, 'task'), join(folder, 'of-a-file')];
    await read(['task', 'embedded', '--task', 'gendered-pronoun', '--out', files, '--train-pairs', '60']);
    const data = join(files, 'train.jsonl');
    const steps = ['--steps', '2', '--rounding-steps', '1', '--control-seeds', '0', '--attack', '0'];
    await read(['run', 'embedded', '--data', data, '--out', own, ...steps, '--page-prompts', '0']);
    const manifest = (path: string) => JSON.parse(readFileSync(join(path, 'manifest.json'), 'utf8'));
    const { test } = manifest(own).data;
    expect(test.pairs).toBe(9);
    for (const command of ['interpret', 'edges', 'intervene']) {
      const out = join(folder, `read-${command}`);
      const more = { interpret: [], edges: ['--cuts', '0'], intervene: ['--draws', '0'] }[command]!;
      await read([command, own, '--directions', 'L2H1.ov.0', '--out', out, ...more]);
      expect(manifest(out).data, command).toEqual({ test });
    }
  });

  it('shows where in scored data directions were strongest', async () => {
    const [scores, data] = [join(folder, 'scores'), join(folder, 'contexts.jsonl')];
    writeFileSync(
      data,
      '{"clean":"So Sarah is such a great friend"}\n{"clean":"So John is such a great friend"}\n',
    );
    await read(['score', 'embedded', '--data', data, '--directions', 'L0H0.ov.0', '--out', scores]);
    const { top } = await read<InterpretSummary>([
      ...['interpret', 'embedded', '--directions', 'L0H0.ov.0-1', '--scores', scores],
      ...['--out', join(folder, 'with-scores')],
    ]);
    const [scored, other] = ['L0H0.ov.0', 'L0H0.ov.1'].map(
      (name) => top.find(({ direction }) => direction === name)!,
    );
    expect(scored!.contexts![0]!.text).toMatch(/^ ?So (Sarah|John)/);
    const sizes = scored!.contexts!.map(({ value }) => Math.abs(value));
    expect(sizes).toEqual([...sizes].sort((a, b) => b - a));
    expect(scored!.label).toMatch(/; strongest after “ ?So /);
    expect(other!.contexts).toEqual([]);
    expect(other!.label).not.toContain('strongest');
  });

  it('reads all directions of a model without prompts', async () => {
    const summary = await read<InterpretSummary>([
      ...[
        'interpret',
        'embedded',
        '--directions',
        'all',
        '--embedding',
        'mlp0',
        '--out',
        join(folder, 'all'),
      ],
    ]);
    expect(summary).toMatchObject({ directions: 780, prompts: 0 });
    expect(summary.top[0]).toMatchObject({ groups: null, adds: null, importance: null });
  });
});
