/** Labels of a run's directions: written by rule, edited by a person, and read back by `interpret` and `edges`. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { InterpretSummary } from '../../src/commands/interpret.js';
import { readParquetRows } from '../../src/formats/parquet-file.js';
import { orthoscope } from '../support/command.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const folder = temporaryFolder();
const cache = join(folder, 'cache');
const run = join(folder, 'run');
const labels = join(run, 'labels.csv');

async function json<T>(args: string[]): Promise<T> {
  const { code, stdout, stderr } = await orthoscope([...args, '--engine', 'wasm', '--json'], { cache });
  expect(code, stderr).toBe(0);
  return JSON.parse(stdout) as T;
}

it('are a rule’s until somebody writes another, which then stays', async () => {
  await json([
    ...[
      'train',
      'embedded',
      '--task',
      'gendered-pronoun',
      '--out',
      run,
      '--steps',
      '2',
      '--rounding-steps',
      '1',
    ],
    ...['--train-pairs', '64', '--validation-pairs', '16', '--test-pairs', '24'],
  ]);
  const interpret = (out: string) =>
    json<InterpretSummary & { table: string }>([
      ...[
        'interpret',
        run,
        '--directions',
        'L0H0.ov.0,L2H1.qk.0',
        '--exact',
        '0',
        '--out',
        join(folder, out),
      ],
    ]);
  const first = await interpret('first');
  const written = readFileSync(labels, 'utf8');
  expect(written.split('\n')).toHaveLength(4);
  const gender = first.top.find(({ direction }) => direction === 'L0H0.ov.0')!.label!;
  // One sign for women, the other for men.
  expect(gender).toMatch(/raises .*“ (s?he|her|him|his)”.* on (s?he); the reverse on (s?he)$/);
  expect(first.top.find(({ direction }) => direction === 'L2H1.qk.0')!.label).toMatch(
    /looks|look for|no class/,
  );

  writeFileSync(labels, written.replace(/^L0H0\.ov\.0,("[^"]*"|[^,]*)/m, 'L0H0.ov.0,the gender'));
  const second = await interpret('second');
  expect(second.top.find(({ direction }) => direction === 'L0H0.ov.0')!.label).toBe('the gender');
  expect(readFileSync(labels, 'utf8')).toMatch(/^L0H0\.ov\.0,the gender,/m);
  const rows: Record<string, unknown>[] = [];
  for await (const row of readParquetRows(second.table)) rows.push(row);
  expect(rows[0]).toMatchObject({ direction: 'L0H0.ov.0', label: 'the gender' });

  const out = join(folder, 'edges');
  const prompt = [
    '--prompt',
    "So Sarah is such a great friend, isn't",
    '--answer',
    ' she',
    '--distractor',
    ' he',
  ];
  await json(['edges', run, '--directions', 'L0H0.ov.0,L2H1.ov.0', ...prompt, '--cuts', '0', '--out', out]);
  const graph = JSON.parse(readFileSync(join(out, 'graph.json'), 'utf8'));
  expect(graph.nodes.find(({ id }: { id: string }) => id === 'L0H0.ov.0').label).toBe('the gender');
  const attribution = readFileSync(join(out, 'attribution-graph.json'), 'utf8');
  expect(attribution).toContain('L0H0.ov.0: the gender');
});
