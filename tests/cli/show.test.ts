/** `orthoscope show` and the colours that it paints with. The live page's tests hold its figures to a run's files. */
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { shownText } from '../../cli/commands/show.js';
import { hasColours, paint, painted, shaded, sparkline, widthOf } from '../../cli/paint.js';
import type { Shown } from '../../src/commands/show.js';
import { orthoscopeHere } from '../support/command-here.js';
import { reportedRun, writeReportedRun } from '../support/run-fixture.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const folder = join(temporaryFolder(), 'run');
const reported = reportedRun();
const { metrics, masks } = reported;
const show = (...args: string[]) => orthoscopeHere(['show', folder, ...args], { cache: folder });

beforeAll(async () => {
  await writeReportedRun(folder, reported);
});

afterEach(() => vi.unstubAllEnvs());

describe('a run that nobody read', () => {
  it('shows where the circuit lies', async () => {
    const { code, stdout, stderr } = await show();
    expect([code, stderr]).toEqual([0, '']);
    const { active, directions } = metrics.splits.test!.binarised;
    expect(stdout).toContain(`${active} of ${directions.toLocaleString('en-GB')} directions kept`);
    expect(stdout).toMatch(/qk +H0 +H1 +H2 +H3 +ov +H0/);
    expect(stdout).not.toContain('\u001b');
  });

  it('shows components of a head, with what is kept of them', async () => {
    const kept = [...masks.get('L1H2.ov')!].filter((mask) => mask > 0.5).length;
    const { stdout } = await show('L1H2');
    expect(stdout).toContain('L1H2.qk: ');
    expect(stdout).toContain(`L1H2.ov: ${kept} of 33 kept`);
    const one = JSON.parse((await show('L1H2.ov', '--json')).stdout);
    expect(one.of).toBe('component');
    expect(one.components[0].members).toHaveLength(33);
  });

  it('shows a direction, and what is not known of it', async () => {
    const { stdout } = await show('L1H2.ov.3');
    expect(stdout).toContain(`mask      ${masks.get('L1H2.ov')![3]!.toFixed(3)}`);
    expect(stdout).toContain('was not computed; orthoscope interpret does');
  });

  it('says what there is where a name is wrong', async () => {
    const { code, stderr } = await show('L9H9.ov.0');
    expect(code).toBe(2);
    expect(stderr).toBe(
      'orthoscope: L9H9.ov.0: is no head, component or direction such as L0H0.qk.0, and no prompt that was taken apart\n',
    );
  });

  it('has colours where they are asked for, and columns stay in line', async () => {
    vi.stubEnv('FORCE_COLOR', '1');
    vi.stubEnv('NO_COLOR', '');
    const { stdout } = await show();
    expect(stdout).toContain('\u001b[1m');
    expect(stdout).toContain('48;5;');
    // biome-ignore lint/suspicious/noControlCharactersInRegex: those are what is taken out
    const plain = stdout.replace(/\u001b\[[\d;]*m/g, '');
    vi.stubEnv('NO_COLOR', '1');
    expect((await show()).stdout).toBe(plain);
  });
});

describe('texts of models', () => {
  it('neither steer the terminal nor break a line', () => {
    const token = '\u001b[31m\u202eevil\n\u0007';
    const card: Shown = {
      of: 'prompt',
      ...{
        id: token,
        group: null,
        tokens: ['a', token],
        corrupted: [token],
        answers: [token],
        distractors: [],
      },
      next_tokens: [{ id: 1, token, full: 0.5, circuit: 0.25 }],
      ...{ kl: 0.1, full: null, circuit: null },
      attention: [{ head: 'L0H0', full: [[1], [0.25, 0.75]], kept: null, alone: [] }],
    };
    const text = shownText(card, 5);
    expect(text.split('\n').filter((line) => line === 'evil')).toEqual([]);
  });
});

describe('paint', () => {
  it('is as wide as what is seen, and gone where there are no colours', () => {
    const text = `a${paint('b', 'dim')}${shaded('c', -1, 1)}${shaded('d', 0.01, 1)}`;
    expect(widthOf(text)).toBe(4);
    expect(painted(text, false)).toBe('abcd');
    expect(painted(text, true)).toBe('a\u001b[2mb\u001b[0m\u001b[38;5;16;48;5;208mc\u001b[0md');
  });

  it('asks NO_COLOR first, then FORCE_COLOR, then the terminal', () => {
    vi.stubEnv('FORCE_COLOR', '1');
    vi.stubEnv('NO_COLOR', '1');
    expect(hasColours()).toBe(false);
    vi.stubEnv('NO_COLOR', '');
    expect(hasColours()).toBe(true);
    vi.stubEnv('FORCE_COLOR', '0');
    expect(hasColours()).toBe(false);
  });

  it('draws bars', () => {
    expect(sparkline([0, 1, 2, 4])).toBe('▁▃▅█');
    expect(sparkline([])).toBe('');
    expect(sparkline([0, 0])).toBe('▁▁');
  });
});
