/** `orthoscope task --data`: what the linter says of a file, and how the model itself answers. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { CheckedFile } from '../../src/commands/task.js';
import { orthoscopeHere } from '../support/command-here.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const folder = temporaryFolder();
const cache = join(folder, 'cache');

async function checked(data: string, ...more: string[]): Promise<CheckedFile & { text: string }> {
  const args = ['task', 'embedded', '--data', data, '--engine', 'wasm', ...more];
  const { code, stdout, stderr } = await orthoscopeHere([...args, '--json'], { cache });
  expect(code, stderr).toBe(0);
  return { ...JSON.parse(stdout), text: (await orthoscopeHere(args, { cache })).stdout };
}

it('--ask says how well the model does on the pairs, and what it says instead', async () => {
  const out = join(folder, 'task');
  const sizes = ['--train-pairs', '1', '--validation-pairs', '1', '--test-pairs', '40'];
  await orthoscopeHere(['task', 'embedded', '--task', 'ioi', '--out', out, ...sizes], { cache });
  const right = join(out, 'test.jsonl');
  const { model, sound, pairs, text } = await checked(right, '--ask', '30');
  expect(model).toEqual({ asked: 30, accuracy: 1, preferred: 1, instead: [] });
  expect(sound).toBe(pairs);
  expect(text).toMatch(/likeliest token is an answer on 100.0 % of 30 pairs; it prefers .* on 100.0 %\n/);
  expect((await checked(right, '--ask', '0')).model).toBe(null);

  // Answer and distractor exchanged: the model says what the file calls wrong.
  const wrong = join(folder, 'wrong.jsonl');
  const records = readFileSync(right, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  writeFileSync(
    wrong,
    records
      .map(
        ({ answer, distractor, ...rest }) =>
          `${JSON.stringify({ ...rest, answer: distractor, distractor: answer })}\n`,
      )
      .join(''),
  );
  const turned = await checked(wrong, '--ask', '40');
  expect(turned.model).toMatchObject({ asked: 40, accuracy: 0, preferred: 0 });
  const said = new Set(records.map(({ answer }) => answer));
  expect(turned.model!.instead).toHaveLength(3);
  for (const { token } of turned.model!.instead) expect(said).toContain(token);
  expect(turned.text).toMatch(/where it is none, the model says " \w+" \(\d+\)/);
});
