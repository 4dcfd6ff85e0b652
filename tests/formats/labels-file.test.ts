/** Labels on disk: whatever is in them comes back, and what somebody edited stays. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { isEdited, readLabels, withRules, writeLabels } from '../../src/formats/labels-file.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const folder = temporaryFolder();

it('come back as they were', async () => {
  const path = join(folder, 'labels.csv');
  const text = fc.string({ unit: 'grapheme', maxLength: 30 }).filter((each) => !each.includes('\0'));
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ label: text, rule: text }), { minLength: 1, maxLength: 8 }),
      async (rows) => {
        const labels = new Map(rows.map((row, at) => [`L0H0.ov.${at}`, row]));
        await writeLabels(path, labels);
        expect(await readLabels(path)).toEqual(labels);
      },
    ),
    { numRuns: 40 },
  );
});

it('are what the rule says until somebody edits them', () => {
  const rules = (text: string) =>
    new Map([
      ['L0H0.ov.0', text],
      ['L0H0.ov.1', text],
    ]);
  const first = withRules(new Map(), rules('raises “a”'));
  expect([...first.values()].map(isEdited)).toEqual([false, false]);
  const edited = new Map([...first, ['L0H0.ov.1', { label: 'the gender', rule: 'raises “a”' }]]);
  const second = withRules(edited, rules('raises “b”'));
  expect(second.get('L0H0.ov.0')).toEqual({ label: 'raises “b”', rule: 'raises “b”' });
  expect(second.get('L0H0.ov.1')).toEqual({ label: 'the gender', rule: 'raises “b”' });
  // Emptied: given back to the rule.
  const emptied = withRules(new Map([['L0H0.ov.0', { label: '', rule: 'x' }]]), rules('raises “c”'));
  expect(emptied.get('L0H0.ov.0')!.label).toBe('raises “c”');
  // Those of directions that were not read stay.
  expect(withRules(new Map([['L9H9.ov.0', { label: 'mine', rule: '' }]]), new Map()).size).toBe(1);
});

it('say where a file is none of labels', async () => {
  expect((await readLabels(join(folder, 'none.csv'))).size).toBe(0);
  const path = join(folder, 'wrong.csv');
  writeFileSync(path, 'name,label\na,b\n');
  await expect(readLabels(path)).rejects.toThrow(`${path}:2: no "direction"`);
  writeFileSync(path, 'direction,label\nL0H0.ov.0,b\nL0H0.ov.0,c\n');
  await expect(readLabels(path)).rejects.toThrow('L0H0.ov.0 comes twice');
});
