/**
 * How long the page with an engine behind it takes to answer: `node dist/bench/live.js RUN [--engine native-cpu]
 * [--store FOLDER] [--times 3] [--steps 1] [--only prompt] [--answers FILE]`. Every ask is of another edit, so that
 * nothing is known before. Seconds by the clock until something can be seen, by the clock and of processor time until
 * all can; the best of the times. With --answers the answers are written to a file, or held to those of an earlier
 * version that it holds already, before anything is timed.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { parseArgs } from 'node:util';
import { view } from '../src/commands/view.js';
import type { EngineChoice } from '../src/engine/engine.js';
import type { Edit } from '../src/explorer/edit.js';
import type { AskName, Asks, LiveLine } from '../src/explorer/live.js';
import { openRun } from '../src/formats/run-folder.js';
import { readMasks } from '../src/masks/masks-file.js';

const { positionals, values: options } = parseArgs({
  allowPositionals: true,
  options: {
    engine: { type: 'string', default: 'auto' },
    store: { type: 'string' },
    times: { type: 'string', default: '3' },
    steps: { type: 'string', default: '1' },
    only: { type: 'string' },
    answers: { type: 'string' },
  },
});
const [folder] = positionals;
if (!folder) throw new Error('usage: node dist/bench/live.js RUN [--engine E] [--store FOLDER] [--times N]');
const { values: masks } = await readMasks((await openRun(folder)).file('masks.safetensors'));
/** Directions that the circuit keeps and that write, spread over the model. */
const kept = [...masks].flatMap(([name, own]) =>
  name.endsWith('.ov') ? [...own.keys()].filter((k) => own[k]! > 0.5).map((k) => `${name}.${k}`) : [],
);
const typed = (place: string) => ({
  prompt: `When Mary and John went to the ${place}, John gave a drink to`,
  corrupted: `When Anna and Paul went to the ${place}, Tom gave a drink to`,
  ...{ answer: null, distractor: null },
});
const TYPED = typed('store');
/** Prompts that nobody asked for yet. */
const PLACES = ['school', 'station', 'garden', 'office', 'hospital', 'restaurant', 'park', 'bank', 'shop'];

const stop = new AbortController();
let ended: Promise<void> = Promise.resolve();
const opened = performance.now();
const url = new URL(
  await new Promise<string>((resolve, reject) => {
    ended = view(
      { run: folder, engine: options.engine as EngineChoice, store: options.store },
      { onReady: resolve, signal: stop.signal },
    );
    ended.catch(reject);
  }),
);
console.log(`opened in ${seconds(performance.now() - opened)} s; ${kept.length} OV directions kept`);

let asked = 0;
/** An edit that nobody asked for yet. */
function nextEdit(to: number | 'swap' = 0): Edit {
  asked++;
  return { base: 'circuit', changes: [[kept[(asked * 37) % kept.length]!, to]] };
}

/** When something could be seen of the ask that was answered last. */
let firstSeen = 0;

function ask<Name extends AskName>(name: Name, given: Asks[Name]['ask']): Promise<Asks[Name]['answer']> {
  return new Promise((resolve, reject) => {
    const headers = { host: url.host, origin: url.origin, 'content-type': 'application/json' };
    const sent = request(
      { port: url.port, path: `${url.pathname}${name}`, method: 'POST', headers },
      (response) => {
        let text = '';
        firstSeen = Number.POSITIVE_INFINITY;
        response.on('data', (part) => {
          text += part;
          if (/^\{"(answer|part)"/m.test(text)) firstSeen = Math.min(firstSeen, performance.now());
        });
        response.on('end', () => {
          const { answer, error } = JSON.parse(text.trim().split('\n').at(-1)!) as LiveLine;
          if (error) reject(new Error(error));
          else resolve(answer as Asks[Name]['answer']);
        });
      },
    );
    sent.on('error', reject);
    sent.end(JSON.stringify(given));
  });
}

async function timed(what: string, work: () => Promise<unknown>): Promise<void> {
  if (options.only && !what.includes(options.only)) return;
  let best = { wall: Number.POSITIVE_INFINITY, processor: 0, first: 0 };
  for (let time = 0; time < Number(options.times); time++) {
    const before = process.cpuUsage();
    const started = performance.now();
    try {
      await work();
    } catch (error) {
      console.log(`${what}: ${(error as Error).message}`);
      return;
    }
    const wall = performance.now() - started;
    const { user, system } = process.cpuUsage(before);
    if (wall < best.wall) best = { wall, processor: (user + system) / 1000, first: firstSeen - started };
  }
  console.log(
    `${what}: first ${seconds(best.first)} s, all ${seconds(best.wall)} s, ${seconds(best.processor)} s of processor time`,
  );
}

function seconds(milliseconds: number): string {
  return (milliseconds / 1000).toFixed(2);
}

/** The largest difference of numbers in the same places of two answers; infinite where they differ in anything else. */
function difference(a: unknown, b: unknown): number {
  if (typeof a === 'number' && typeof b === 'number') return Math.abs(a - b);
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null)
    return Object.is(a, b) ? 0 : Number.POSITIVE_INFINITY;
  const [left, right] = [a, b] as Record<string, unknown>[];
  const keys = Object.keys(left!);
  if (keys.length !== Object.keys(right!).length) return Number.POSITIVE_INFINITY;
  return Math.max(0, ...keys.map((key) => difference(left![key], right![key])));
}

async function compareAnswers(file: string): Promise<void> {
  const edit: Edit = { base: 'circuit', changes: [[kept[0]!, 0]] };
  const byName = <T>(parts: [string, T][]) => Object.fromEntries(parts);
  const parts = (card: Asks['prompt']['answer']) => ({
    ...card,
    // By name: of values that are nearly equal either may come first.
    next_tokens: byName(card.next_tokens.map((each) => [String(each.id), each])),
    full: { ...card.full, components: byName(card.full!.components), directions: null },
    circuit: { ...card.circuit, components: byName(card.circuit!.components), directions: null },
    largest: [card.full!, card.circuit!].map(({ directions }) => byName(directions.slice(0, 20))),
  });
  const steps = Number(options.steps);
  const { plain_kl, kl, put_back, control, by_start } = await ask('attack', { edit, steps });
  const found = {
    scores: await ask('scores', { edit }),
    typed: parts(await ask('prompt', { edit, typed: TYPED })),
    tested: parts(await ask('prompt', { edit, at: 3 })),
    activations: await ask('activations', { direction: kept[0]!, text: TYPED.prompt }),
    attack: { plain_kl, kl, put_back, control, by_start },
  };
  if (!existsSync(file)) {
    writeFileSync(file, JSON.stringify(found));
    console.log(`answers written to ${file}`);
    return;
  }
  const before = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
  for (const [name, own] of Object.entries(JSON.parse(JSON.stringify(found)) as object))
    console.log(`${name}: differs by at most ${difference(before[name], own).toExponential(1)}`);
}

try {
  if (options.answers) await compareAnswers(options.answers);
  const { prompts, of } = await ask('scores', { edit: nextEdit() });
  await timed(`scores on ${prompts} of ${of} test prompts`, () => ask('scores', { edit: nextEdit() }));
  await timed('scores with a swap', () => ask('scores', { edit: nextEdit('swap') }));
  await timed('a prompt that is typed', () =>
    ask('prompt', { edit: nextEdit(), typed: typed(PLACES[asked % PLACES.length]!) }),
  );
  await timed('the same prompt under another edit', () => ask('prompt', { edit: nextEdit(), typed: TYPED }));
  await timed('a test prompt', () => ask('prompt', { edit: nextEdit(), at: asked % prompts }));
  await timed('a text on a direction', () =>
    ask('activations', {
      direction: kept[asked++ % kept.length]!,
      text: 'When Mary and John went to the store',
    }),
  );
  const steps = Number(options.steps);
  await timed(`an attack of steps: ${steps}`, () => ask('attack', { edit: nextEdit(), steps }));
} finally {
  stop.abort();
  await ended;
}
