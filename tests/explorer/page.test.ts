/** The page of a run in a real browser: opened from disk, by mouse and by keyboard, with and without scripts. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';
import axe from 'axe-core';
import { beforeAll, expect, it } from 'vitest';
import type { Metrics } from '../../src/evaluate/metrics-file.js';
import { packageFile } from '../../src/package-file.js';
import { decimal } from '../../src/report/figures.js';
import { describeInBrowser } from '../support/browser.js';
import { orthoscope } from '../support/command.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const folder = temporaryFolder();
const run = join(folder, 'run');
const url = pathToFileURL(join(run, 'report.html')).href;

beforeAll(async () => {
  const sizes = [
    '--train-pairs',
    '16',
    '--validation-pairs',
    '8',
    '--test-pairs',
    '12',
    '--control-seeds',
    '1',
  ];
  const steps = ['--steps', '4', '--rounding-steps', '2', '--engine', 'wasm', '--page-prompts', '2'];
  const { code, stderr } = await orthoscope(['run', '--out', run, ...sizes, ...steps], {
    cache: join(folder, 'cache'),
  });
  expect(code, stderr).toBe(0);
}, 300_000);

it('is small: 300 KB at most, compressed, without data', () => {
  const size = ['page.js', 'page.css']
    .map((name) => gzipSync(readFileSync(packageFile(`dist/explorer/${name}`))).length)
    .reduce((sum, bytes) => sum + bytes);
  expect(size).toBeLessThan(300_000);
});

it('names the licence of everything that is bundled', () => {
  const licences = readFileSync(packageFile('dist/explorer/LICENCES.txt'), 'utf8');
  for (const name of ['preact', '@observablehq/plot', '@tanstack/virtual-core', 'd3-scale'])
    expect(licences).toContain(`\n${name} `);
});

describeInBrowser('the page of a run', (visit) => {
  const metrics = () => JSON.parse(readFileSync(join(run, 'metrics.json'), 'utf8')) as Metrics;

  it('opens from disk in silence, and says what metrics.json says', async () => {
    const { page, complaints, requests } = await visit(url);
    const { binarised, controls } = metrics().splits.test!;
    const text = await page.locator('#content').textContent();
    expect(text).toContain(`${binarised.active} of ${binarised.directions}`);
    expect(text).toContain(decimal(binarised.kl));
    expect(text).toContain(decimal(controls!.random.kl));
    await page.close();
    expect(complaints).toEqual([]);
    expect(requests).toEqual([]);
  });

  it('shows every view, from the address, without a complaint or a serious fault for those who cannot see it', async () => {
    const { page, complaints, requests } = await visit(url);
    const first = (await page.locator('th a[href*="direction"]').first().textContent())!;
    const views = [
      'summary',
      'model',
      'directions',
      'prompts',
      'pins',
      'report',
      `direction/${first}`,
      `component/${first.replace(/\.\d+$/, '')}`,
    ];
    await page.goto(`${url}#/prompts`);
    const prompt = await page.locator('#content li a').first().getAttribute('href');
    for (const hash of [...views.map((view) => `#/${view}?pins=${first}`), prompt!]) {
      await page.goto(`${url}${hash}`);
      await page.waitForFunction(
        () => !document.getElementById('content')!.textContent!.includes('Reading …'),
      );
      await page.evaluate(axe.source);
      const violations = await page.evaluate(async () => {
        const { violations } = await (
          globalThis as unknown as {
            axe: {
              run(): Promise<{ violations: { id: string; impact: string; nodes: { html: string }[] }[] }>;
            };
          }
        ).axe.run();
        return violations
          .filter(({ impact }) => impact === 'serious' || impact === 'critical')
          .map(({ id, nodes }) => `${id}: ${nodes[0]!.html}`);
      });
      expect(violations, hash).toEqual([]);
    }
    await page.close();
    expect(complaints).toEqual([]);
    expect(requests).toEqual([]);
  });

  it('is read by keyboard alone', async () => {
    const { page } = await visit(`${url}#/model`);
    const cell = page.locator('.cell').first();
    await cell.focus();
    await page.keyboard.press('ArrowRight');
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Enter');
    await page.waitForFunction(() => location.hash.startsWith('#/component/L1H1.qk'));
    await page.locator('.list').focus();
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Enter');
    await page.waitForFunction(() => location.hash.startsWith('#/direction/L1H1.qk.1'));
    await page.locator('button[aria-pressed]').focus();
    await page.keyboard.press('Space');
    expect(await page.evaluate(() => location.hash)).toContain('pins=L1H1.qk.1');
    await page.close();
  });

  it('keeps pins, names and notes in the address, and gives and takes them as a file', async () => {
    const { page } = await visit(`${url}#/direction/L2H2.ov.0`);
    await page.getByRole('button', { name: 'Pin' }).click();
    await page.getByLabel('Name').fill('mover');
    await page.getByLabel('Name').blur();
    const address = await page.evaluate(() => location.href);
    await page.goto('about:blank');
    await page.goto(address);
    await page.getByRole('link', { name: 'Pins (1)' }).click();
    expect(await page.locator('#content').textContent()).toContain('mover');
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('button', { name: 'Save file' }).click(),
    ]);
    const marks = JSON.parse(readFileSync(await download.path(), 'utf8'));
    expect(marks).toMatchObject({ pins: ['L2H2.ov.0'], names: { 'L2H2.ov.0': 'mover' } });
    await page.setInputFiles('input[type=file]', {
      name: 'marks.json',
      mimeType: 'application/json',
      buffer: Buffer.from('{"pins": ["L0H0.ov.1", 3], "names": "no"}'),
    });
    await page.getByRole('link', { name: 'L0H0.ov.1' }).waitFor();
    await page.close();
  });

  it('moves the size slider over sizes that were measured', async () => {
    const { page } = await visit(url);
    const sizes = JSON.parse(readFileSync(join(run, 'reading', 'sizes.json'), 'utf8')) as {
      kept: number;
      kl: number;
    }[];
    await page.getByRole('slider').fill('3');
    expect(await page.locator('#content').textContent()).toContain(
      `${sizes[3]!.kept} kept: KL ${decimal(sizes[3]!.kl)}`,
    );
    await page.getByRole('link', { name: 'Model' }).click();
    const cells = await page.locator('.cell').allInnerTexts();
    expect(cells.reduce((sum, text) => sum + (Number(text) || 0), 0)).toBe(sizes[3]!.kept);
    await page.close();
  });

  it('shows two prompts side by side, from the address', async () => {
    const { page } = await visit(`${url}#/prompts`);
    await page.locator('#content li a').first().click();
    await page.getByLabel('Beside it').selectOption({ index: 1 });
    const other = new URLSearchParams((await page.evaluate(() => location.hash)).split('?')[1]).get(
      'beside',
    )!;
    await page.reload();
    const both = page.getByRole('region', { name: /^Prompt / });
    await both.nth(1).getByText('Next token').waitFor();
    expect(await both.nth(1).getAttribute('aria-label')).toBe(`Prompt ${other}`);
    await page.close();
  });

  it('leads through a tour that can be skipped', async () => {
    const { page } = await visit(url);
    await page.getByRole('button', { name: 'Tour' }).click();
    await page.getByRole('button', { name: 'Next' }).click();
    await page.getByText('2 of 6').waitFor();
    await page.getByRole('button', { name: 'Skip the tour' }).click();
    expect(await page.getByText('2 of 6').count()).toBe(0);
    await page.close();
  });

  it('fits a phone, in the dark', async () => {
    const { page, complaints } = await visit(url, { width: 390, colorScheme: 'dark' });
    for (const view of [
      'summary',
      'model',
      'directions',
      'prompts',
      'pins',
      'report',
      'direction/L2H2.ov.0',
    ]) {
      await page.goto(`${url}#/${view}`);
      await page.waitForTimeout(200);
      expect(
        await page.evaluate(() => document.documentElement.scrollWidth - innerWidth),
        view,
      ).toBeLessThanOrEqual(0);
    }
    await page.close();
    expect(complaints).toEqual([]);
  });

  it('is the report where no script may run', async () => {
    const { page } = await visit(url, { javaScriptEnabled: false });
    expect(await page.locator('h2#results').isVisible()).toBe(true);
    await page.close();
  });
});
