/** The page with an engine behind it: that nobody else can ask, and that what it says is what other commands say. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { evaluate } from '../../src/commands/evaluate.js';
import { intervene } from '../../src/commands/intervene.js';
import { trace } from '../../src/commands/trace.js';
import { view } from '../../src/commands/view.js';
import { InputError } from '../../src/errors.js';
import type { Metrics } from '../../src/evaluate/metrics-file.js';
import type { AskName, Asks, LiveLine } from '../../src/explorer/live.js';
import { decimal } from '../../src/report/figures.js';
import { describeInBrowser, seriousFaults } from '../support/browser.js';
import { workControls } from '../support/controls.js';
import { shortRun } from '../support/short-run.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const folder = temporaryFolder();
const run = join(folder, 'run');
const cache = join(folder, 'cache');
const engine = 'wasm' as const;
const AS_FOUND: Edit = { base: 'circuit', changes: [] };
type Edit = { base: 'circuit' | 'full' | 'none'; changes: [string, number | 'swap'][] };

const stop = new AbortController();
let url = '';
let ended: Promise<void>;
const before = process.env.ORTHOSCOPE_CACHE;

beforeAll(async () => {
  // A swap wants training prompts with every test prompt's other answer.
  await shortRun(run, cache, { 'train-pairs': 600 });
  process.env.ORTHOSCOPE_CACHE = cache;
  url = await new Promise<string>((resolve, reject) => {
    ended = view({ run, engine }, { onReady: resolve, signal: stop.signal });
    ended.catch(reject);
  });
}, 300_000);

afterAll(async () => {
  stop.abort();
  await ended;
  if (before === undefined) delete process.env.ORTHOSCOPE_CACHE;
  else process.env.ORTHOSCOPE_CACHE = before;
});

interface Sent {
  method?: string;
  headers?: Record<string, string>;
  body?: string;
}

/** Sends what a browser would, but for what is given; answers with status and text. */
function send(path: string, { method = 'POST', headers = {}, body = '' }: Sent = {}) {
  const { port, host, origin, pathname } = new URL(url);
  return new Promise<{ status: number; text: string; headers: Record<string, unknown> }>(
    (resolve, reject) => {
      const own = {
        host,
        origin,
        'content-type': 'application/json',
        'sec-fetch-site': 'same-origin',
        ...headers,
      };
      const sent = Object.fromEntries(Object.entries(own).filter(([, value]) => value !== ''));
      const options = { host: '127.0.0.1', port, method, headers: sent };
      const asked = request(
        { ...options, path: path.startsWith('/') ? path : pathname + path },
        (response) => {
          let text = '';
          response.on('data', (part) => {
            text += part;
          });
          response.on('end', () =>
            resolve({ status: response.statusCode!, text, headers: response.headers }),
          );
          response.on('error', reject);
        },
      );
      asked.on('error', reject);
      asked.end(body);
    },
  );
}

async function lines<Name extends AskName>(name: Name, given: Asks[Name]['ask']): Promise<LiveLine[]> {
  const { status, text } = await send(name, { body: JSON.stringify(given) });
  expect(status, text).toBe(200);
  return text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as LiveLine);
}

async function ask<Name extends AskName>(
  name: Name,
  given: Asks[Name]['ask'],
): Promise<Asks[Name]['answer']> {
  const { answer, error } = (await lines(name, given)).at(-1)!;
  expect(error).toBeUndefined();
  return answer as Asks[Name]['answer'];
}

const refused = async <Name extends AskName>(name: Name, given: unknown) =>
  (await lines(name, given as Asks[Name]['ask'])).at(-1)!.error;

const metrics = () => JSON.parse(readFileSync(join(run, 'metrics.json'), 'utf8')) as Metrics;

describe('the server', () => {
  const asked = { body: JSON.stringify({ edit: AS_FOUND }) };

  it('serves the page, which nothing else may frame or read', async () => {
    const { status, text, headers } = await send('', { method: 'GET', headers: { origin: '' } });
    expect(status).toBe(200);
    expect(text).toContain('<!doctype html>');
    expect(text).toContain("connect-src 'self'");
    expect(headers).toMatchObject({
      'x-frame-options': 'DENY',
      'cache-control': 'no-store',
      'cross-origin-resource-policy': 'same-origin',
      'referrer-policy': 'no-referrer',
    });
  });

  it.each<[string, number, string, Sent]>([
    ['another token', 404, '/wrong/scores', asked],
    ['no token', 404, '/', { method: 'GET' }],
    ['a way out of its folder', 404, '../../etc/passwd', { method: 'GET' }],
    [
      'another host, as when a name is turned into this address',
      403,
      'scores',
      { ...asked, headers: { host: 'evil.example' } },
    ],
    ['another origin', 403, 'scores', { ...asked, headers: { origin: 'https://evil.example' } }],
    ['another port of this machine', 403, 'scores', { ...asked, headers: { origin: 'http://127.0.0.1:1' } }],
    ['no origin', 403, 'scores', { ...asked, headers: { origin: '' } }],
    ['another site', 403, 'scores', { ...asked, headers: { 'sec-fetch-site': 'cross-site' } }],
    ['a form', 415, 'scores', { ...asked, headers: { 'content-type': 'text/plain' } }],
    ['GET', 405, 'scores', { method: 'GET' }],
    ['no JSON', 400, 'scores', { body: '{' }],
    ['two megabytes', 413, 'scores', { body: 'x'.repeat(2 << 20) }],
  ])('refuses %s', async (_, status, path, sent) => {
    // Where the rest of a large body is not read, the connection may end first.
    const answer = await send(path, sent).catch(() => ({ status, text: '' }));
    expect(answer.status).toBe(status);
    expect(answer.text).not.toContain('doctype');
  });

  it('takes a name of this machine with any port, as through a tunnel', async () => {
    const headers = { host: 'localhost:9000', origin: 'http://localhost:9000' };
    expect((await send('scores', { ...asked, headers })).status).toBe(200);
  });

  it('says in a line what cannot be done', async () => {
    const { status, text } = await send('nothing', asked);
    expect([status, text]).toEqual([200, '{"error":"nothing: nothing of that name can be asked"}\n']);
    expect(await refused('scores', { edit: { base: 'circuit', changes: [['L9H9', 0]] } })).toBe(
      'L9H9: is no head, component or direction that this run has masks for',
    );
    expect(await refused('scores', { edit: { base: 'all', changes: [] } })).toMatch(/^scores\.edit\.base: /);
    expect(await refused('scores', { edit: { base: 'full', changes: [['L0H0', 3]] } })).toMatch(
      /changes\.0\.1/,
    );
    expect(await refused('attack', { edit: AS_FOUND, steps: 1000 })).toMatch(/^attack\.steps: /);
    expect(await refused('prompt', { edit: AS_FOUND, at: 12 })).toContain('test prompts 0 to 11');
    expect(await refused('activations', { direction: 'L0H0.ov', text: 'Mary' })).toContain(
      'name one direction',
    );
  });
});

describe('what it says', () => {
  it('is what metrics.json says of the circuit as found', async () => {
    const { binarised } = metrics().splits.test!;
    const { kept, prompts, of, ...scores } = await ask('scores', { edit: AS_FOUND });
    expect([kept, prompts, of]).toEqual([binarised.active, 12, 12]);
    for (const [name, value] of Object.entries(scores))
      expect(value, name).toBeCloseTo(binarised[name as 'kl']!, 5);
  });

  it('is what evaluate says of the masks that it saves', async () => {
    const edit: Edit = {
      base: 'circuit',
      changes: [
        ['L2H3', 0],
        ['L1H2.ov', 1],
        ['L2H2.ov.3', 0.35],
      ],
    };
    const masks = readFileSync(join(run, 'masks.safetensors'));
    const { path } = await ask('save', { edit, name: 'edited' });
    expect(path).toBe(join(run, 'edits', 'edited.safetensors'));
    const out = join(folder, 'evaluated');
    const { metrics } = await evaluate({ run, masks: path, out, engine, attack: 3, controlSeeds: 0 });
    const measured = metrics.splits.test!;
    const scores = await ask('scores', { edit });
    for (const name of ['kl', 'exact_match', 'accuracy', 'logit_diff', 'prob_diff'] as const)
      expect(scores[name], name).toBeCloseTo(measured[name]!, 5);
    expect(scores.kept).toBe(measured.active);
    const attack = await ask('attack', { edit, steps: 3 });
    for (const name of ['kl', 'plain_kl', 'put_back'] as const)
      expect(attack[name], name).toBeCloseTo(measured.attack![name]!, 5);
    expect(readFileSync(join(run, 'masks.safetensors'))).toEqual(masks);
  });

  it('is what intervene says of directions that become what they are on the corrupted prompt', async () => {
    const directions = 'L2H3.ov.0-3,L1.mlp_out.2';
    const out = join(folder, 'changed');
    const { summary } = await intervene({ run, directions, change: 'corrupted', draws: 0, out, engine });
    const effect = summary.tested.effects.find(({ set, way }) => set === 'chosen' && way === 'in place')!;
    const names = ['L2H3.ov.0', 'L2H3.ov.1', 'L2H3.ov.2', 'L2H3.ov.3', 'L1.mlp_out.2'];
    const changes = names.map((name): [string, number] => [name, 0]);
    const scores = await ask('scores', { edit: { base: 'full', changes } });
    expect(scores.kl).toBeCloseTo(effect.kl.value!, 5);
    expect(scores.logit_diff! - scores.full_logit_diff!).toBeCloseTo(effect.change.value!, 5);
  });

  it('is what intervene says of directions that become what they are with the other answer', async () => {
    const names = ['L2H3.ov.0', 'L2H3.ov.1', 'L1.mlp_out.2', 'L1H2.qk.1'];
    const given = { run, directions: names.join(), change: 'opposite', draws: 0, engine } as const;
    const { summary } = await intervene({ ...given, out: join(folder, 'swapped') });
    const effect = summary.tested.effects.find(({ set, way }) => set === 'chosen' && way === 'in place')!;
    const swaps = names.map((name): [string, 'swap'] => [name, 'swap']);
    const scores = await ask('scores', { edit: { base: 'full', changes: swaps } });
    expect(scores.kl).toBeCloseTo(effect.kl.value!, 5);
    expect(scores.logit_diff! - scores.full_logit_diff!).toBeCloseTo(effect.change.value!, 5);
    expect(Math.abs(effect.change.value!)).toBeGreaterThan(0.01);
    const edit: Edit = { base: 'circuit', changes: swaps };
    const { circuit } = await ask('prompt', { edit, at: 0 });
    const { total, embedding, position, bias, components } = circuit!;
    const sum = components.reduce((all, [, value]) => all + value, embedding + position + bias);
    expect(sum).toBeCloseTo(total, 4);
    const unswapped = await ask('prompt', { edit: { base: 'circuit', changes: [] }, at: 0 });
    expect(total).not.toBeCloseTo(unswapped.circuit!.total, 2);
    expect(await refused('attack', { edit, steps: 1 })).toContain('L1H2.qk.1 is swapped, which an attack');
    expect(await refused('save', { edit, name: 'swapped' })).toContain('which a file of masks cannot be');
    expect(await refused('scores', { edit: { base: 'full', changes: [['L0H0', 'drop']] } })).toMatch(
      /changes\.0\.1/,
    );
  });

  it('is what trace says of a prompt', async () => {
    const typed = {
      prompt: 'When Mary and John went to the store, John gave a drink to',
      corrupted: 'When Anna and Paul went to the store, Tom gave a drink to',
      ...{ answer: ' Mary', distractor: ' John' },
    };
    const found = await trace({ run, ...typed, engine });
    const { full, circuit, next_tokens, reach } = await ask('prompt', { edit: AS_FOUND, typed });
    expect(full!.total).toBeCloseTo(found.logit_difference.full, 4);
    expect(circuit!.total).toBeCloseTo(found.logit_difference.circuit!, 4);
    expect(next_tokens[0]!.full).toBeCloseTo(found.next_tokens[0]!.full, 5);
    for (const { layer, full: values, kept, bias } of reach!) {
      const own = full!.components.filter(([name]) => new RegExp(`^L${layer}H\\d+\\.ov$`).test(name));
      const adds = own.reduce((sum, [, value]) => sum + value, 0);
      expect(values.reduce((sum, value) => sum + value, bias)).toBeCloseTo(adds, 2);
      expect(kept).toHaveLength(values.length);
    }
    expect(reach).toHaveLength(3);
    const other = await ask('prompt', { edit: { base: 'none', changes: [] }, typed });
    expect(other.circuit!.total).not.toBeCloseTo(circuit!.total, 2);
    const alone = await ask('prompt', { edit: AS_FOUND, typed: { ...typed, corrupted: null } });
    expect(alone.circuit).toBeNull();
  });

  it('comes in parts that the whole agrees with, next tokens first', async () => {
    const typed = {
      prompt: 'When Mary and John went to the shop, John gave a drink to',
      corrupted: 'When Anna and Paul went to the shop, Tom gave a drink to',
      ...{ answer: null, distractor: null },
    };
    const found = await lines('prompt', { edit: AS_FOUND, typed });
    const parts = found.flatMap(({ part }) => (part ? [part as NonNullable<Asks['prompt']['part']>] : []));
    const { answer } = found.at(-1) as { answer: Asks['prompt']['answer'] };
    expect(parts).toHaveLength(2);
    const [first, second] = parts;
    expect(first!.full).toBeUndefined();
    expect(first!.next_tokens).toEqual(answer.next_tokens);
    expect(first!.totals).toEqual({ full: answer.full!.total, circuit: answer.circuit!.total });
    expect([second!.full, second!.circuit]).toEqual([answer.full, answer.circuit]);
    const stages = found.flatMap(({ progress }) => (progress ? [progress.stage] : []));
    expect([...new Set(stages)]).toEqual(['next tokens', 'logit difference', 'attention']);
    // What is kept of it serves another edit: as if that had been asked for alone.
    const edit: Edit = { base: 'circuit', changes: [['L2H3', 0]] };
    const after = await ask('prompt', { edit, typed });
    await ask('prompt', { edit, at: 0 });
    expect(await ask('prompt', { edit, typed })).toEqual(after);
    expect(after.full).toEqual(answer.full);
    expect(after.circuit!.total).not.toBeCloseTo(answer.circuit!.total, 2);
  });

  it('reads a direction on a text', async () => {
    const text = 'When Mary and John went to the store';
    const { tokens, values } = await ask('activations', { direction: 'L2H3.ov.0', text });
    expect(tokens.join('')).toContain('Mary and John');
    expect(values).toHaveLength(tokens.length);
    expect(new Set(values).size).toBeGreaterThan(3);
  });
});

describe('saving', () => {
  it('never writes over anything, nor elsewhere', async () => {
    await ask('save', { edit: AS_FOUND, name: 'once' });
    expect(await refused('save', { edit: AS_FOUND, name: 'once' })).toContain(
      'is there already; give another name',
    );
    for (const name of ['../masks', 'a/b', '.hidden', '', 'x'.repeat(61), 'a.b'])
      expect(await refused('save', { edit: AS_FOUND, name }), name).toMatch(/^save\.name: /);
    const above = { base: 'circuit', changes: [['L2H3.ov.0', 1.5]] };
    expect(await refused('save', { edit: above, name: 'above' })).toContain('a mask is above 1');
    expect(readdirSync(join(run, 'edits')).filter((name) => /above|hidden|\.tmp$/.test(name))).toEqual([]);
    expect(existsSync(join(run, 'a'))).toBe(false);
  });
});

describe('an attack', () => {
  it('lets others be answered before it is done, and finds the same', async () => {
    const alone = await ask('attack', { edit: AS_FOUND, steps: 10 });
    const order: string[] = [];
    const attacked = lines('attack', { edit: AS_FOUND, steps: 10 }).then((found) => {
      order.push('attack');
      return found;
    });
    await new Promise((resolve) => setTimeout(resolve, 100));
    await ask('prompt', { edit: { base: 'full', changes: [] }, at: 1 }).then(() => order.push('prompt'));
    const found = await attacked;
    expect(order).toEqual(['prompt', 'attack']);
    expect(found.at(-1)!.answer).toEqual(alone);
    const parts = found.flatMap(({ part }) => (part ? [part as NonNullable<Asks['attack']['part']>] : []));
    expect(parts[0]!.kl).toBe(alone.plain_kl);
    expect(parts.at(-1)!.kl).toBeGreaterThanOrEqual(parts[0]!.kl);
  });

  it('shows how far it is, and ends when nobody waits for it any more', async () => {
    const begun = performance.now();
    const found = await lines('attack', { edit: AS_FOUND, steps: 3 });
    const short = performance.now() - begun;
    expect(found.filter(({ progress }) => progress?.stage === 'attack').length).toBeGreaterThan(3);
    const { host, pathname, origin, port } = new URL(url);
    await new Promise<void>((resolve) => {
      const headers = { host, origin, 'content-type': 'application/json' };
      const long = request({ port, path: `${pathname}attack`, method: 'POST', headers }, (response) => {
        response.once('data', () => {
          long.destroy();
          resolve();
        });
        response.on('error', () => {});
      });
      long.on('error', () => {});
      long.end(JSON.stringify({ edit: AS_FOUND, steps: 100 }));
    });
    const started = performance.now();
    await ask('scores', { edit: { base: 'full', changes: [] } });
    // All of its steps would take thirty times as long as those of the short one.
    expect(performance.now() - started).toBeLessThan(10 * short);
  });
});

it('ends in a line where the run cannot be viewed', async () => {
  const failing = (given: Parameters<typeof view>[0]) =>
    view(given, { onReady: () => {}, signal: AbortSignal.timeout(60_000) }).catch((error) => error);
  const taken = Number(new URL(url).port);
  for (const [given, message] of [
    [{ run: 'embedded' }, /is a model; view shows a run/],
    [{ run, port: taken, engine }, /--port \d+: cannot be listened on \(EADDRINUSE\)/],
  ] as const) {
    const error = await failing(given);
    expect(error).toBeInstanceOf(InputError);
    expect(error.message).toMatch(message);
  }
});

describeInBrowser('the live page', (visit) => {
  it('changes the circuit by mouse and keyboard, and takes it back', async () => {
    const { page, complaints } = await visit(url);
    const found = await ask('scores', { edit: AS_FOUND });
    const edit: Edit = { base: 'circuit', changes: [['L2H3', 0]] };
    const { kl } = await ask('scores', { edit });
    await page.goto(`${url}#/component/L2H3.ov`);
    await page.getByRole('button', { name: 'Leave out L2H3' }).focus();
    await page.keyboard.press('Enter');
    const bar = page.getByRole('region', { name: 'Your changes' });
    await bar.getByText(`KL ${decimal(found.kl)} → ${decimal(kl)}`).waitFor();
    expect(await page.evaluate(() => location.hash)).toContain('edit=');
    await page.locator('#content h1').click();
    await page.keyboard.press('Control+z');
    await bar.waitFor({ state: 'detached' });
    expect(await page.evaluate(() => location.hash)).not.toContain('edit=');
    await page.goto(`${url}#/direction/L2H2.ov.0`);
    await page.getByRole('slider', { name: 'Scale' }).focus();
    await page.keyboard.press('Home');
    await bar.getByText('KL').waitFor();
    await page.close();
    expect(complaints).toEqual([]);
  });

  it('holds circuits side by side, runs prompts, attacks and saves', async () => {
    const { page, complaints } = await visit(`${url}#/try`);
    await page.getByLabel('Heads, components, directions').fill('L2H3, L9');
    await page.keyboard.press('Enter');
    await page.getByRole('alert').getByText('L9: is no head').waitFor();
    await page.getByLabel('Heads, components, directions').fill('L2H3');
    await page.keyboard.press('Enter');
    await page.getByLabel('Put the circuit aside as').fill('headless');
    await page.keyboard.press('Enter');
    const { kl } = await ask('scores', { edit: { base: 'circuit', changes: [['L2H3', 0]] } });
    const table = page.getByRole('region', { name: 'Circuits side by side', exact: true });
    await table.getByRole('row', { name: 'headless' }).getByText(decimal(kl)).waitFor();
    await page
      .getByLabel('Prompt', { exact: true })
      .fill('When Mary and John went to the store, John gave a drink to');
    await page
      .getByLabel('Corrupted prompt')
      .fill('When Anna and Paul went to the store, Tom gave a drink to');
    await page.keyboard.press('Enter');
    await page.getByText('Logit difference by direction').waitFor();
    await page.getByLabel('Steps from each start').fill('100');
    await page.getByRole('button', { name: 'Attack it' }).click();
    await page.getByRole('button', { name: 'Cancel' }).click();
    await page.getByLabel('Steps from each start').fill('2');
    await page.getByRole('button', { name: 'Attack it' }).click();
    await page.getByText('What the adversary found').waitFor();
    await page.getByLabel('Name', { exact: true }).fill('from-the-page');
    await page.keyboard.press('Enter');
    await page.getByText('orthoscope evaluate').waitFor();
    expect(existsSync(join(run, 'edits', 'from-the-page.safetensors'))).toBe(true);
    expect(await seriousFaults(page)).toEqual([]);
    await page.close();
    expect(complaints).toEqual([]);
  });

  it('does by keyboard all that it does by mouse', async () => {
    const { page } = await visit(url);
    const edit = encodeURIComponent(JSON.stringify({ base: 'circuit', changes: [['L2H3', 0]] }));
    const drafts = encodeURIComponent(JSON.stringify({ full: { base: 'full', changes: [] } }));
    const scaled = encodeURIComponent(JSON.stringify({ base: 'circuit', changes: [['L2H3.ov.0', 0.5]] }));
    const views = [`try?edit=${edit}&drafts=${drafts}&pins=L2H3.ov.0`, `direction/L2H3.ov.0?edit=${scaled}`];
    const { faults, worked } = await workControls(page, url, views, '#content');
    expect(faults).toEqual([]);
    expect(worked).toBeGreaterThan(25);
    await page.close();
  });

  it('says that it needs an engine where it is a file', async () => {
    const { page } = await visit(`file://${join(run, 'report.html')}#/try`);
    await page.getByText('This page is a file, with no engine behind it.').waitFor();
    await page.close();
  });
});
