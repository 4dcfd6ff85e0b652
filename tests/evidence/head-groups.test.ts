/** Named groups of heads against others of their layers. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { headGroupsLine, headGroupTests, readHeadGroups } from '../../src/evidence/head-groups.js';
import type { TestedCircuit } from '../../src/evidence/tested-circuit.js';
import { MaskLayout } from '../../src/forward/layout.js';
import { packageFile } from '../../src/package-file.js';
import { GPT2_SMALL } from '../support/architectures.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const folder = temporaryFolder();
const file = (content: object) => {
  const path = join(folder, 'groups.json');
  writeFileSync(path, JSON.stringify(content));
  return path;
};

const layout = new MaskLayout({ ...GPT2_SMALL, nLayers: 3, nHeads: 6, dHead: 4, dModel: 24, dMlp: 8 });
/** Keeps all of these heads, of the others the first direction, and all MLPs. */
function keeping(heads: readonly string[]): TestedCircuit {
  const binarised = new Float32Array(layout.size);
  for (const component of layout.components) {
    const { start, length } = layout.of(component);
    const whole = component.head === undefined || heads.includes(`L${component.layer}H${component.head}`);
    binarised.fill(1, start, start + (whole ? length : 1));
  }
  const never = () => Promise.reject(new Error('not needed'));
  const prompts = { length: 0, score: never, scoreEach: never };
  return { layout, masked: layout.components, binarised, prompts, some: prompts };
}
const settings = { permutations: 1000, seed: 0 };

it('finds a group that is kept more, exactly where that can be counted, and not another', async () => {
  const groups = await readHeadGroups(
    file({ source: 'a test', groups: { kept: ['0.1', 'L1H2'], other: ['a0.h0', '1.0'] } }),
  );
  const [kept, other] = headGroupTests(keeping(['L0H1', 'L1H2']), groups, settings);
  // One head of six in each of two layers: 36 arrangements, of which one is as extreme.
  expect(kept).toMatchObject({ heads: ['L0H1', 'L1H2'], exact: true, p: 1 / 36, q: 2 / 36, compared: 2 });
  // Of 9 directions a head has one on QK and one on OV otherwise.
  expect(kept!.difference).toBeCloseTo(7 / 9, 9);
  expect(other).toMatchObject({ p: 1, q: 1 });
  const line = headGroupsLine([kept!, other!], groups, { alpha: 0.06 });
  expect(line).toMatchObject({ outcome: 'for', p: 1 / 36, statistic: { value: 1 }, n: { value: 2 } });
  expect(line.correction).toEqual({ method: 'benjamini-hochberg', tests: 2, p: 2 / 36 });
  expect(line.claim).toContain('kept (+78 %)');
  expect(headGroupsLine([kept!, other!], groups, { alpha: 0.05 }).outcome).toBe('open');
});

it('takes heads that were named by what they do', async () => {
  const heads = [
    { head: 'L0H1', names: ['induction'] },
    { head: 'L1H2', names: ['induction', 'previous'] },
    { head: 'L2H0', names: [] },
  ];
  const { groups } = await readHeadGroups(file({ heads, sequences: 20 }));
  expect([...groups]).toEqual([
    ['induction', ['L0H1', 'L1H2']],
    ['previous', ['L1H2']],
  ]);
});

it('has the published roles of GPT-2 small, all of them heads that it has', async () => {
  const { source, groups } = await readHeadGroups(packageFile('examples/groups/ioi-gpt2-small.json'));
  expect(source).toContain('2211.00593');
  const heads = [...groups.values()].flat();
  expect(new Set(heads).size).toBe(26);
  for (const head of heads) {
    const [, layer, own] = /^L(\d+)H(\d+)$/.exec(head)!;
    expect([Number(layer) < 12, Number(own) < 12]).toEqual([true, true]);
  }
});

it('says what it cannot use', async () => {
  await expect(readHeadGroups(file({ groups: { a: ['m4'] } }))).rejects.toThrow('"m4" is no head');
  await expect(readHeadGroups(file({ groups: {} }))).rejects.toThrow('holds no group of heads');
  await expect(readHeadGroups(file({ roles: {} }))).rejects.toThrow('groups.json');
  const groups = await readHeadGroups(file({ groups: { far: ['9.9'] } }));
  expect(() => headGroupTests(keeping([]), groups, settings)).toThrow('"far" names L9H9');
});
