/** A real browser, where there is one: Debian's Chromium, or what CHROMIUM names. */
import { existsSync } from 'node:fs';
import axe from 'axe-core';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe } from 'vitest';

export type { Page };

const PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
const executable = process.env.CHROMIUM ?? PLACES.find((path) => existsSync(path));

export interface Visit {
  page: Page;
  /** Errors and warnings of the console, and exceptions. */
  complaints: string[];
  /** Addresses that the page asked for, its own excepted. */
  requests: string[];
}

/** Tests that need a browser; skipped with a word where none is found. */
export function describeInBrowser(
  name: string,
  tests: (visit: (url: string, options?: Options) => Promise<Visit>) => void,
) {
  if (!executable) {
    describe.skip(`${name} (no Chromium is installed; CHROMIUM names one)`, () =>
      tests(async () => ({}) as Visit));
    return;
  }
  describe(name, () => {
    let browser: Browser;
    beforeAll(async () => {
      browser = await chromium.launch({ executablePath: executable, args: ['--no-sandbox'] });
    });
    afterAll(() => browser.close());
    tests(async (url, { width = 1400, ...options } = {}) => {
      const page = await browser.newPage({ ...options, viewport: { width, height: 900 } });
      page.setDefaultTimeout(30_000);
      const visit: Visit = { page, complaints: [], requests: [] };
      page.on('console', (message) => {
        if (['error', 'warning'].includes(message.type())) visit.complaints.push(message.text());
      });
      page.on('pageerror', ({ message }) => visit.complaints.push(message));
      page.on('request', (request) => {
        if (request.url().split('#')[0] !== url.split('#')[0]) visit.requests.push(request.url());
      });
      await page.goto(url);
      return visit;
    });
  });
}

interface Options {
  width?: number;
  colorScheme?: 'light' | 'dark';
  javaScriptEnabled?: boolean;
}

/** What axe-core finds that is serious or worse for those who cannot see the page: rule and element. */
export async function seriousFaults(page: Page): Promise<string[]> {
  await page.evaluate(axe.source);
  return page.evaluate(async () => {
    type Found = { violations: { id: string; impact: string; nodes: { html: string }[] }[] };
    const { violations } = await (globalThis as unknown as { axe: { run(): Promise<Found> } }).axe.run();
    return violations
      .filter(({ impact }) => impact === 'serious' || impact === 'critical')
      .map(({ id, nodes }) => `${id}: ${nodes[0]!.html}`);
  });
}
