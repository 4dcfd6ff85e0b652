/** What the program answers without a command. */
import { expect, it } from 'vitest';
import { INDEX } from '../../cli/index.js';
import { packageVersion } from '../../src/package-file.js';
import { orthoscope } from '../support/command.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const cache = temporaryFolder();
const ask = (...args: string[]) => orthoscope(args, { cache });

it.each(['--help', '-h'])('%s lists every command on one line that fits a terminal', async (flag) => {
  const { code, stdout } = await ask(flag);
  expect(code).toBe(0);
  const lines = stdout.split('\n');
  for (const [name, { usage, describe }] of Object.entries(INDEX)) {
    const listed = lines.filter((line) => line.startsWith(`  ${usage} `) && line.endsWith(`  ${describe}`));
    expect(listed).toHaveLength(name.includes(' ') ? 0 : 1);
  }
  expect(Math.max(...lines.map(({ length }) => length))).toBeLessThanOrEqual(100);
});

it('prints the version', async () => {
  expect(await ask('--version')).toEqual({ code: 0, stdout: `${packageVersion()}\n`, stderr: '' });
});

it.each([
  [[], 'orthoscope: name a command; see orthoscope --help\n'],
  [['--quiet'], 'orthoscope: name a command; see orthoscope --help\n'],
  [['rnu', '--help'], 'orthoscope: no command "rnu"; see orthoscope --help; did you mean run?\n'],
])('%j is wrong input', async (args, stderr) => {
  expect(await ask(...args)).toEqual({ code: 2, stdout: '', stderr });
});

it('completes commands, and the flags of a command', async () => {
  const complete = async (...words: string[]) =>
    (await ask('--get-yargs-completions', 'orthoscope', ...words)).stdout.split('\n');
  expect(await complete('')).toEqual(expect.arrayContaining(['run', 'sweep', 'completion']));
  expect(await complete('train', '--')).toContain('--batch-size');
});
