/** The sweep commands: what they print, refuse and leave behind. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { orthoscope } from '../support/command.js';
import { temporaryFolder } from '../support/temporary-folder.js';
import { tinyPlan } from '../support/tiny-sweep.js';

const folder = temporaryFolder();
const cache = join(folder, 'cache');
const plan = tinyPlan(folder, 'two', 'task: ioi\nmatrix: {seed: 0..1}');
const out = join(folder, 'sweep');
const command = (...args: string[]) => orthoscope(['sweep', ...args], { cache });

it('says what it would do without doing it', async () => {
  const { code, stdout, stderr } = await command(plan, '--out', out, '--dry-run', '--json');
  expect(code, stderr).toBe(0);
  const { runs, prediction } = JSON.parse(stdout);
  expect(runs).toMatchObject([
    { label: 'seed=0', complete: false },
    { label: 'seed=1', complete: false },
  ]);
  expect(prediction).toMatchObject({ measured: false });
  expect(prediction.seconds).toBeGreaterThan(0);
  expect(existsSync(out)).toBe(false);
});

it('runs a plan, and tells its table and how far it is', async () => {
  const { code, stdout, stderr } = await command(plan, '--out', out, '--json');
  expect(code, stderr).toBe(0);
  const printed = JSON.parse(stdout);
  expect(printed).toMatchObject({ total: 2, complete: 2, computed: 2, failures: [] });
  expect(stderr).toContain('2/2 runs complete');
  const table = await command('table', out, '--json');
  expect(JSON.parse(table.stdout).settings).toEqual(printed.settings);
  expect((await command('table', out)).stdout).toMatch(/^task\s+seeds\s+kept/);
  const stable = JSON.parse((await command('stability', out, '--json')).stdout);
  expect(stable.settings).toMatchObject([{ seeds: [0, 1], directions: 780 }]);
  expect(stable.settings[0].jaccard).toBeGreaterThan(0);
  expect((await command('stability', out)).stdout).toMatch(/^task\s+seeds\s+Jaccard\s+chance/);
  const status = await command('status', out, '--json');
  expect(JSON.parse(status.stdout)).toMatchObject({ complete: 2, progress: { total: 2, complete: 2 } });
  const again = await command('resume', out, '--quiet', '--json');
  expect(JSON.parse(again.stdout)).toMatchObject({ total: 2, complete: 2, computed: 0 });
  expect(again.stderr).toBe('');
});

it('names what it leaves out because it is damaged', async () => {
  const runs = readdirSync(join(out, 'runs'));
  writeFileSync(join(out, 'runs', runs[0]!, 'manifest.json'), '{"schema_version"');
  const table = await command('table', out, '--json');
  expect(JSON.parse(table.stdout).settings[0].seeds).toHaveLength(1);
  expect(table.stderr).toMatch(new RegExp(`^left out: .*${runs[0]}/manifest.json: not valid JSON`, 'm'));
  const status = await command('status', out);
  expect(status.stdout).toMatch(new RegExp(`^1 complete run folders\ndamaged: .*${runs[0]}`, 'm'));
  const again = await command('resume', out, '--quiet', '--json');
  expect(again.code).toBe(1);
  expect(JSON.parse(again.stdout)).toMatchObject({
    complete: 1,
    failures: [{ id: runs[0], error: expect.stringContaining('manifest.json: not valid JSON') }],
  });
  const { seeds } = JSON.parse(readFileSync(join(out, 'runs', runs[1]!, 'manifest.json'), 'utf8'));
  const whole = await command(tinyPlan(folder, 'whole', `task: ioi\nseed: ${seeds.run}`), '--out', out);
  expect(whole.code, whole.stderr).toBe(0);
  expect(whole.stderr).toMatch(new RegExp(`^left out: .*${runs[0]}/manifest.json: not valid JSON`, 'm'));
});

it('does not write into a folder that holds something else', async () => {
  const full = join(folder, 'full');
  mkdirSync(full);
  writeFileSync(join(full, 'thesis.tex'), 'years of work');
  for (const more of [[], ['--dry-run']]) {
    const { code, stderr } = await command(plan, '--out', full, ...more);
    expect(code).toBe(2);
    expect(stderr).toContain("full: holds files that are no sweep's (thesis.tex)");
  }
  expect(readdirSync(full)).toEqual(['thesis.tex']);
});

it('minds neither its own plan nor logs in a new folder', async () => {
  const logged = join(folder, 'logged');
  tinyPlan(logged, 'plan', 'task: ioi');
  writeFileSync(join(logged, 'slurm-7_1.out'), '');
  const { code, stderr } = await command('resume', logged, '--dry-run');
  expect(code, stderr).toBe(0);
});

it.each([
  [[], '<plan> is missing: YAML file (docs/sweeps.md)'],
  [['nowhere.yaml'], 'nowhere.yaml: no such file'],
  [[plan, '--shard', '3/2'], '--shard 3/2: give a part and the number of parts, such as 2/8'],
  [[plan, '--memory', '4'], '--memory 4: give an amount with its unit'],
  [[plan, '--memory=-4GB'], '--memory -4GB: give an amount with its unit'],
  [[plan, '--memory', '1kB'], '--memory 1.00 kB: a single run takes 367 MB before it has read anything'],
  [[plan, '--jobs', '0'], '--jobs 0: give a whole number from 1 to 1024'],
  [[plan, '--redis', 'foo'], '--redis: give a URL'],
  [[plan, '--local', '--redis', 'redis://here'], '--local is for this machine; leave out --redis'],
  [[plan, '--redis', 'foo', '--dry-run'], '--redis: give a URL'],
  [[plan, '--out', ''], '--out: has no value; give one or leave it out'],
  [['status', 'nowhere'], 'nowhere: holds no sweep'],
  [['table', 'nowhere'], 'nowhere: holds no sweep'],
  [['stability', 'nowhere'], 'nowhere: holds no sweep'],
])('refuses %j with one line', async (args, message) => {
  const { code, stdout, stderr } = await command(...args);
  expect(code).toBe(2);
  expect(stdout).toBe('');
  expect(stderr.trim().split('\n').at(-1)).toContain(message);
});
