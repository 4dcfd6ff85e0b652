/** `orthoscope interpret`, `trace` and `intervene` on the embedded model, with masks of its pronoun circuit. */
import { readFileSync } from 'node:fs';
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
