/** What a run's page takes from folders inside the run's. */
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { type EdgeRow, writeEdges } from '../../src/edges/edge-files.js';
import { InputError } from '../../src/errors.js';
import { collect, reportedRun as readRun } from '../../src/explorer/collect.js';
import type { Snapshot } from '../../src/explorer/snapshot.js';
import type { Manifest } from '../../src/formats/manifest.js';
import { createRun } from '../../src/formats/run-folder.js';
import { type Reading, writeReadings } from '../../src/interpret/readings.js';
import { reportedRun, writeReportedRun } from '../support/run-fixture.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const folder = join(temporaryFolder(), 'run');
const reported = reportedRun();
const { manifest } = reported;
let snapshot: Snapshot;

beforeAll(async () => {
  await writeReportedRun(folder, reported);
  const inner = async (name: string, changes: Partial<Manifest>) => {
    const own = await createRun(join(folder, name), { ...manifest, ...changes });
    await own.update({ status: 'complete' });
    await own.unlock();
    return own;
  };
  // The edges are older than the reading whose cards they go on.
  const edges = await inner('edges', { command: 'edges', started_at: '2025-01-03T00:00:00.000Z' });
  const mean = (value: number) => ({ n: 2, mean: value, low: value - 1, high: value + 1 });
  const row = (writer: string, reader: string, predicted: number): EdgeRow => ({
    ...{ writer, reader, side: 'input', value: mean(1), predicted: mean(predicted) },
    ...{ measured: null, sample: null },
  });
  const many = Array.from({ length: 12 }, (_, at) => row(`L0H1.ov.${at}`, 'L1H0.ov.3', 9 - at / 2));
  await writeEdges(edges.file('edges.parquet'), [...many, row('L1H0.ov.3', 'logits', 1)], {});
  const reading = await inner('reading', { command: 'interpret', started_at: '2025-01-04T00:00:00.000Z' });
  await writeReadings(reading.file('readings.parquet'), rows(), {});
  const other = await inner('other', {
    ...{ command: 'interpret', started_at: '2025-01-05T00:00:00.000Z' },
    model: { ...manifest.model, hash: 'f0'.repeat(32) },
  });
  await writeReadings(other.file('readings.parquet'), rows('of another model'), {});
  writeFileSync(join(folder, 'labels.csv'), 'direction,label,rule\nL1H0.ov.3,the mover,by rule\n');
  snapshot = await collect(folder, await readRun(folder));
});

async function* rows(label = 'by rule'): AsyncGenerator<Reading[]> {
  const place = { component: 'L1H0.ov', kind: 'ov', layer: 1, head: 0 } as const;
  const nothing = {
    raises: null,
    lowers: null,
    reads: null,
    reads_against: null,
    keys: null,
    keys_against: null,
  };
  const unknown = {
    neurons: null,
    groups: null,
    variance_share: null,
    adds: null,
    importance: null,
    role: null,
    head_names: null,
    contexts: null,
  };
  yield [3, 4].map((index) => ({
    ...{ ...place, ...nothing, ...unknown, label, index, direction: `L1H0.ov.${index}` },
    ...{ sigma: 1, mask: 1, in_circuit: true },
  }));
}

it('puts the strongest edges of each way on a card, whichever folder is older', () => {
  const [first, second] = snapshot.cards;
  expect(first!.direction).toBe('L1H0.ov.3');
  expect(first!.edges!.from).toHaveLength(8);
  expect(first!.edges!.from[0]).toEqual({
    ...{ other: 'L0H1.ov.0', side: 'input', value: 1, predicted: 9, low: 8, high: 10, measured: null },
  });
  expect(first!.edges!.to.map(({ other }) => other)).toEqual(['logits']);
  expect(second!.edges).toBeUndefined();
});

it('calls directions what labels.csv calls them, and passes over readings of another model', () => {
  expect(snapshot.cards.map(({ label }) => label)).toEqual(['the mover', 'by rule']);
});

it.each([
  ['prompt-cards.jsonl', '{\n', /prompt-cards\.jsonl:1: not valid JSON/],
  ['prompt-cards.jsonl', 'null\n', /prompt-cards\.jsonl:1: expected a JSON object/],
  ['sizes.json', '{', /sizes\.json: not valid JSON/],
])('refuses a damaged %s', async (name, text, message) => {
  const path = join(folder, 'reading', name);
  writeFileSync(path, text);
  const collecting = collect(folder, await readRun(folder)).finally(() => rmSync(path));
  await expect(collecting).rejects.toThrow(InputError);
  await expect(collecting).rejects.toThrow(message);
});
