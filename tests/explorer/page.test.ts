/** The page of a run in a real browser: opened from disk, by mouse and by keyboard, with and without scripts. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';
import { beforeAll, expect, it } from 'vitest';
import type { Metrics } from '../../src/evaluate/metrics-file.js';
import { collect, reportedRun } from '../../src/explorer/collect.js';
import { explorerPage } from '../../src/explorer/write-report.js';
import { readMasks } from '../../src/masks/masks-file.js';
import { packageFile } from '../../src/package-file.js';
import { decimal } from '../../src/report/figures.js';
import { describeInBrowser, type Page, seriousFaults } from '../support/browser.js';
import { workControls } from '../support/controls.js';
import { shortRun } from '../support/short-run.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const folder = temporaryFolder();
const run = join(folder, 'run');
const url = pathToFileURL(join(run, 'report.html')).href;

beforeAll(() => shortRun(run, join(folder, 'cache')), 300_000);

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

  /** A direction with a card; goes to a prompt that was taken apart. */
  const aMember = async (page: Page) => {
    const name = await page.locator('th a[href*="direction"]').first().textContent();
    await page.getByRole('link', { name: 'Prompts' }).click();
    await page.locator('#content li a').first().click();
    return name!;
  };

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
      'compare',
      'sweep',
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
      expect(await seriousFaults(page), hash).toEqual([]);
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
    await page.goto(`${url}#/directions?filter=L1H1.ov`);
    await page.locator('.list').focus();
    for (const key of ['p', 'ArrowDown', '2', 'ArrowDown', '2']) await page.keyboard.press(key);
    const marks = new URLSearchParams((await page.evaluate(() => location.hash)).split('?')[1]);
    expect(marks.get('pins')).toMatch(/^L1H1\.ov\.\d+$/);
    expect(JSON.parse(marks.get('groups')!)['2']).toHaveLength(2);
    await page.close();
  });

  it('does by keyboard all that it does by mouse', async () => {
    const { page, complaints } = await visit(url);
    const views = [
      'summary?size=3',
      'model',
      'directions',
      'directions?sort=sigma&filter=L1H1',
      'component/L1H1.ov',
      `direction/${await aMember(page)}?pins=L1H1.ov.0`,
      'prompts',
      'try',
      'pins?pins=L1H1.ov.0',
    ];
    const prompt = await page.evaluate(() => location.hash.slice(2));
    const { faults, worked } = await workControls(page, url, [...views, prompt]);
    expect(faults).toEqual([]);
    expect(worked).toBeGreaterThan(30);
    await page.close();
    expect(complaints).toEqual([]);
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
    const [file] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('button', { name: 'Save pins as masks' }).click(),
    ]);
    const { values, metadata } = await readMasks(await file.path());
    const kept = [...values].flatMap(([name, own]) =>
      [...own].flatMap((mask, at) => (mask ? [`${name}.${at}`] : [])),
    );
    expect(kept).toEqual(['L2H2.ov.0']);
    expect(metadata).toMatchObject({ basis: 'svd', modelHash: metrics().measured.model.hash });
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

  it('gives any figure as a picture that stands alone', async () => {
    const { page, complaints } = await visit(`${url}#/model`);
    const figure = page.locator('figure').filter({ hasText: 'Masks of Output–value' });
    await figure.getByText('Numbers').click();
    const [svg] = await Promise.all([
      page.waitForEvent('download'),
      figure.getByRole('button', { name: 'Save SVG' }).click(),
    ]);
    const drawn = readFileSync(await svg.path(), 'utf8');
    expect(drawn).toMatch(/^<svg [^>]*xmlns=/);
    expect(drawn).not.toContain('var(--');
    for (const title of ['Masks of Output–value', 'Output–value: what heads carry']) {
      const one = page
        .locator('figure')
        .filter({ has: page.getByRole('heading', { name: title }) })
        .first();
      await one.locator('details').evaluate((element) => {
        (element as unknown as { open: boolean }).open = true;
      });
      const [png] = await Promise.all([
        page.waitForEvent('download'),
        one.getByRole('button', { name: 'Save PNG' }).click(),
      ]);
      const bytes = readFileSync(await png.path());
      expect(bytes.subarray(1, 4).toString()).toBe('PNG');
      const [width, height] = [bytes.readUInt32BE(16), bytes.readUInt32BE(20)];
      expect(width).toBeGreaterThan(600);
      expect(height).toBeGreaterThan(200);
      // One of a single colour would be a few hundred bytes.
      expect(bytes.length).toBeGreaterThan(5000);
    }
    await page.close();
    expect(complaints).toEqual([]);
  });

  it('holds another run beside it, from its page', async () => {
    const reported = await reportedRun(run);
    const snapshot = await collect(run, reported);
    const { masks } = snapshot.values;
    const pageWithout = (dropped: number) => {
      const own = [...masks!.keys()].filter((at) => masks![at]! > 0.5);
      const without = dropped > 0 ? own.slice(0, dropped) : own.slice(dropped);
      snapshot.values.masks = masks!.map((mask, at) => (without.includes(at) ? 0 : mask));
      return explorerPage(reported, snapshot);
    };
    const kept = masks!.filter((mask) => mask > 0.5).length;
    writeFileSync(join(folder, 'own.html'), await pageWithout(-5));
    const html = await pageWithout(3);
    const { page, complaints } = await visit(`${pathToFileURL(join(folder, 'own.html')).href}#/compare`);
    const give = (name: string, text: string) =>
      page.setInputFiles('input[type=file]', { name, mimeType: 'text/html', buffer: Buffer.from(text) });
    await give('other.html', html);
    await page.getByText(`${kept - 8} of ${kept} directions are kept by both`).waitFor();
    await page.getByRole('heading', { name: 'Kept here alone: 3' }).waitFor();
    await page.getByRole('heading', { name: 'Kept there alone: 5' }).waitFor();
    await page.getByRole('link', { name: 'Model' }).click();
    await page.getByRole('link', { name: 'Compare' }).click();
    expect(await seriousFaults(page)).toEqual([]);
    await page.getByText('kept by both').first().waitFor();
    snapshot.core.metrics.measured.model.hash = 'ee'.repeat(32);
    for (const [name, text, message] of [
      ['letter.html', '<p>Dear reader', 'is no page of a run'],
      ['broken.html', html.replace(/(id="block-core">.{40})/, '$1AAAA'), 'holds no run that can be read'],
      ['model.html', await explorerPage(reported, snapshot), 'is of another model'],
    ] as const) {
      await give(name, text);
      await page.getByRole('alert').getByText(`${name}: ${message}`).waitFor();
    }
    await page.getByRole('button', { name: 'Put it away' }).click();
    expect(await page.getByText('kept by both').count()).toBe(0);
    await page.close();
    expect(complaints).toEqual([]);
  });

  it('says which directions share a singular value', async () => {
    const reported = await reportedRun(run);
    const snapshot = await collect(run, reported);
    const sigma = snapshot.values.sigma!;
    sigma[4] = sigma[3]!;
    writeFileSync(join(folder, 'clusters.html'), await explorerPage(reported, snapshot));
    const other = pathToFileURL(join(folder, 'clusters.html')).href;
    const { page } = await visit(`${other}#/component/L0H0.qk`);
    await page.getByText('The same σ: L0H0.qk.3 to 4').waitFor();
    await page.goto(`${other}#/direction/L0H0.qk.4`);
    await page.getByText('The same σ: L0H0.qk.3 to 4').waitFor();
    await page.goto(`${other}#/direction/L0H0.qk.5`);
    await page.getByRole('heading', { name: 'L0H0.qk.5' }).waitFor();
    expect(await page.getByText('The same σ').count()).toBe(0);
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
    const member = await aMember(page);
    const prompt = await page.evaluate(() => location.hash.slice(2));
    for (const view of [
      'summary',
      'model',
      'directions',
      'prompts',
      prompt,
      'compare',
      'try',
      'pins',
      'report',
      `direction/${member}`,
      `component/${member.replace(/\.\d+$/, '')}`,
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
