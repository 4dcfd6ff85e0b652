/**
 * How long the page takes to its first view, to a card and to a list, and what memory it takes in Chromium, for circuits
 * of 780, 37,020 and 86,400 directions: `node dist/bench/explorer.js [--run RUN] [--times 5]`, after `npm run build`.
 * The run is one of the embedded model; its cards stand for all cards of the larger ones, whose masks, singular values
 * and names are made up. Times are the page's own performance marks.
 */
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { chromium, type Page } from 'playwright-core';
import { run } from '../src/commands/run.js';
import { collect, reportedRun } from '../src/explorer/collect.js';
import type { DirectionCard, Snapshot } from '../src/explorer/snapshot.js';
import { explorerPage } from '../src/explorer/write-report.js';
import type { Kind } from '../src/models/components.js';
import { Random } from '../src/random.js';
import type { ReportedRun } from '../src/report/html.js';

/** What is there in the browser. */
declare const location: { hash: string };
declare const document: { querySelector(selector: string): unknown };
declare function requestAnimationFrame(then: () => void): void;
declare function addEventListener(name: string, then: () => void, how: { once: true }): void;

/** Kinds of a layer, with the directions of each component. */
interface Shape {
  name: string;
  layers: number;
  heads: number;
  perHead: Partial<Record<Kind, number>>;
  perLayer: Partial<Record<Kind, number>>;
}

const SHAPES: Shape[] = [
  {
    name: 'embedded',
    layers: 3,
    heads: 4,
    perHead: { qk: 16, ov: 17 },
    perLayer: { mlp_in: 64, mlp_out: 64 },
  },
  {
    name: 'GPT-2 small',
    layers: 12,
    heads: 12,
    perHead: { qk: 64, ov: 65 },
    perLayer: { mlp_in: 768, mlp_out: 769 },
  },
  {
    name: 'SmolLM2-135M',
    layers: 30,
    heads: 9,
    perHead: { qk: 64, ov: 64 },
    perLayer: { mlp_gate: 576, mlp_up: 576, mlp_down: 576 },
  },
];

/** Share of directions that are kept, and have a card. */
const KEPT = 0.05;

const { values: options } = parseArgs({
  options: {
    run: { type: 'string' },
    times: { type: 'string', default: '5' },
    browser: { type: 'string', default: process.env.CHROMIUM ?? '/usr/bin/chromium' },
  },
});

const scratch = mkdtempSync(join(tmpdir(), 'orthoscope-bench-'));
try {
  const folder = options.run ?? (await smallRun(join(scratch, 'run')));
  const reported = await reportedRun(folder);
  const snapshot = await collect(folder, reported);
  for (const shape of SHAPES) {
    const path = join(scratch, 'page.html');
    const made = enlarged(shape, reported, snapshot);
    writeFileSync(path, await explorerPage(made.reported, made.snapshot));
    await measure(shape, made.snapshot, path);
  }
} finally {
  rmSync(scratch, { recursive: true, force: true });
}

async function smallRun(out: string): Promise<string> {
  const sizes = { trainPairs: 64, validationPairs: 16, testPairs: 64, controlSeeds: 1 };
  await run({ out, ...sizes, steps: 20, roundingSteps: 10 });
  return out;
}

/** The same run as if its model were larger. */
function enlarged(
  { layers, heads, perHead, perLayer }: Shape,
  reported: ReportedRun,
  snapshot: Snapshot,
): { reported: ReportedRun; snapshot: Snapshot } {
  const random = new Random(0);
  const components: Snapshot['core']['components'] = [];
  for (let layer = 0; layer < layers; layer++) {
    for (const [kind, directions] of Object.entries(perHead) as [Kind, number][])
      for (let head = 0; head < heads; head++)
        components.push({ name: `L${layer}H${head}.${kind}`, kind, layer, head, directions });
    for (const [kind, directions] of Object.entries(perLayer) as [Kind, number][])
      components.push({ name: `L${layer}.${kind}`, kind, layer, head: null, directions });
  }
  const size = components.reduce((sum, { directions }) => sum + directions, 0);
  const masks = Float32Array.from({ length: size }, () => Number(random.uniform() < KEPT));
  const soft = masks.map((mask) => 0.1 * random.uniform() + 0.9 * mask);
  const sigma = new Float32Array(size);
  const estimate = new Float32Array(size).fill(Number.NaN);
  const byComponent = new Map<string, Float32Array>();
  const cards: DirectionCard[] = [];
  const at: number[] = [];
  let start = 0;
  for (const { name, kind, layer, head, directions } of components) {
    byComponent.set(name, masks.slice(start, start + directions));
    for (let index = 0; index < directions; index++) {
      const flat = start + index;
      sigma[flat] = 8 * Math.exp((-4 * index) / directions);
      if (masks[flat] === 0) continue;
      const like = snapshot.cards[cards.length % snapshot.cards.length]!;
      const place = { direction: `${name}.${index}`, component: name, kind, layer, head, index };
      cards.push({ ...like, ...place });
      estimate[flat] = random.uniform();
      at.push(flat);
    }
    start += directions;
  }
  return {
    reported: { ...reported, masks: byComponent },
    snapshot: {
      ...snapshot,
      core: { ...snapshot.core, components, cards: at },
      values: { masks, soft, sigma, estimate },
      cards,
    },
  };
}

async function measure({ name }: Shape, { core, values, cards }: Snapshot, path: string): Promise<void> {
  const figures: Record<string, number[]> = {};
  const note = (what: string, value: number) => {
    figures[what] ??= [];
    figures[what].push(value);
  };
  const address = pathToFileURL(path).href;
  const names = cards.map(({ direction }) => direction);
  for (let time = 0; time < Number(options.times); time++) {
    const browser = await chromium.launch({ executablePath: options.browser, args: ['--no-sandbox'] });
    try {
      const page = await browser.newPage({ viewport: { width: 1400, height: 900 } });
      const session = await page.context().newCDPSession(page);
      await session.send('Performance.enable', { timeDomain: 'threadTicks' });
      await page.goto(address);
      note('first view', await markAfter(page, 'orthoscope view', 0));
      // What it took of the processor, which says more on a crowded machine.
      const { metrics } = await session.send('Performance.getMetrics');
      note('processor by then', 1000 * metrics.find(({ name }) => name === 'ThreadTime')!.value);
      for (const [what, which] of [
        ['first card', 0],
        ['next card', names.length - 1],
      ] as const) {
        const from = await page.evaluate((hash) => {
          location.hash = hash;
          return performance.now();
        }, `#/direction/${names[which]}`);
        note(what, (await markAfter(page, 'orthoscope card', from)) - from);
      }
      note('all directions', await untilShown(page, '#/directions', '.list-row'));
      note('sorted by σ', await untilShown(page, '#/directions?sort=sigma', '.list-row'));
      note('the model', await untilShown(page, '#/model', '.cell'));
      await session.send('HeapProfiler.collectGarbage');
      const { usedSize } = await session.send('Runtime.getHeapUsage');
      note('heap MB', usedSize / 1e6);
      note('renderer MB', await rendererMegabytes(page));
    } finally {
      await browser.close();
    }
  }
  const median = (values: number[]) => [...values].sort((a, b) => a - b)[values.length >> 1]!;
  const texts = Object.entries(figures).map(([what, all]) => `${what} ${median(all).toFixed(0)}`);
  console.log(
    `${name}: ${values.masks!.length} directions, ${cards.length} cards, ${core.components.length} components, ` +
      `file ${(statSync(path).size / 1e6).toFixed(2)} MB; medians of ${options.times}, ms: ${texts.join(', ')}`,
  );
}

/** When the page set a mark, after a time of its own clock. */
async function markAfter(page: Page, mark: string, from: number): Promise<number> {
  const found = await page.waitForFunction(
    ([mark, from]) => performance.getEntriesByName(mark).find(({ startTime }) => startTime > from)?.startTime,
    [mark, from] as [string, number],
  );
  return (await found.jsonValue())!;
}

/** Milliseconds from a change of the address to the frame in which something is there. */
function untilShown(page: Page, hash: string, selector: string): Promise<number> {
  return page.evaluate(
    ([hash, selector]) =>
      new Promise<number>((resolve) => {
        const started = performance.now();
        const look = () => {
          if (document.querySelector(selector)) resolve(performance.now() - started);
          else requestAnimationFrame(look);
        };
        addEventListener('hashchange', look, { once: true });
        location.hash = hash;
      }),
    [hash, selector] as [string, string],
  );
}

/** What the renderer of the page has in memory, of Linux. */
async function rendererMegabytes(page: Page): Promise<number> {
  const session = await page.context().browser()!.newBrowserCDPSession();
  const { processInfo } = await session.send('SystemInfo.getProcessInfo');
  const sizes = processInfo
    .filter(({ type }) => type === 'renderer')
    .map(({ id }) => Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${id}/status`, 'utf8'))?.[1] ?? 0));
  return Math.max(...sizes) / 1000;
}
