/**
 * Pictures of a run's page, each view light and dark, for a desk and for a phone:
 * `node scripts/screenshots.mjs ADDRESS FOLDER [VIEW…]`. The address is that of `report.html`, or what `orthoscope view`
 * prints; a view is what stands behind `#/`. `node scripts/screenshots.mjs runs/ioi/report.html docs --readme` makes the
 * two of the README.
 */
import { existsSync, mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { chromium } from 'playwright-core';

const [address, folder, ...given] = process.argv.slice(2);
if (!folder) throw new Error('usage: node scripts/screenshots.mjs ADDRESS FOLDER [VIEW…]');
const url = existsSync(address) ? pathToFileURL(resolve(address)).href : address;
const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';
const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
mkdirSync(folder, { recursive: true });
try {
  if (given[0] === '--readme') await readmePictures();
  else
    for (const [name, width, height] of [
      ['desk', 1400, 900],
      ['phone', 390, 844],
    ])
      for (const colorScheme of ['light', 'dark']) {
        const page = await browser.newPage({ viewport: { width, height }, colorScheme });
        await page.goto(url);
        for (const view of given.length > 0 ? given : await everyView(page)) {
          await shown(page, view);
          const file = view.replace(/[?&].*/, '').replace(/[^\w.-]+/g, '-');
          await page.screenshot({ path: join(folder, `${file}-${name}-${colorScheme}.png`), fullPage: true });
        }
        await page.close();
      }
} finally {
  await browser.close();
}

/** Those of the navigation, and a card of each kind. */
async function everyView(page) {
  const hashOf = (link) => link.evaluate(({ hash }) => hash.slice(2));
  const views = await page
    .locator('header.top nav a')
    .evaluateAll((links) => links.map(({ hash }) => hash.slice(2)));
  const direction = await hashOf(page.locator('th a[href*="direction/"]').first());
  await page.goto(`${url}#/prompts`);
  const prompt = await hashOf(page.locator('#content li a').first());
  return [...views, direction, direction.replace('direction/', 'component/').replace(/\.\d+$/, ''), prompt];
}

async function shown(page, view) {
  await page.goto(`${url}#/${view}`);
  await page.waitForFunction(() => !/Reading …|scoring …/.test(document.getElementById('app').textContent));
  await page.waitForTimeout(300);
}

async function readmePictures() {
  const page = await browser.newPage({ colorScheme: 'light' });
  await page.goto(url);
  const views = await everyView(page);
  for (const [name, view, height] of [
    ['summary', 'summary', 820],
    ['prompt', views.at(-1), 1300],
  ]) {
    await page.setViewportSize({ width: 1200, height });
    await shown(page, view);
    await page.screenshot({ path: join(folder, `explorer-${name}.png`) });
  }
}
