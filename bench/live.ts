/**
 * How long the page with an engine behind it takes to answer: `node dist/bench/live.js RUN [--engine native-cpu]
 * [--store FOLDER] [--times 3] [--only prompt]`. Every ask is of another edit, so that nothing is known before. Seconds by the clock and
 * of processor time, the best of the times.
 */
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
    only: { type: 'string' },
  },
});
const [folder] = positionals;
if (!folder) throw new Error('usage: node dist/bench/live.js RUN [--engine E] [--store FOLDER] [--times N]');
const { values: masks } = await readMasks((await openRun(folder)).file('masks.safetensors'));
/** Directions that the circuit keeps and that write, spread over the model. */
const kept = [...masks].flatMap(([name, own]) =>
  name.endsWith('.ov') ? [...own.keys()].filter((k) => own[k]! > 0.5).map((k) => `${name}.${k}`) : [],
);

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

function ask<Name extends AskName>(name: Name, given: Asks[Name]['ask']): Promise<Asks[Name]['answer']> {
  return new Promise((resolve, reject) => {
    const headers = { host: url.host, origin: url.origin, 'content-type': 'application/json' };
    const sent = request(
      { port: url.port, path: `${url.pathname}${name}`, method: 'POST', headers },
      (response) => {
        let text = '';
        response.on('data', (part) => {
          text += part;
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
  let best = { wall: Number.POSITIVE_INFINITY, processor: 0 };
  for (let time = 0; time < Number(options.times); time++) {
    const before = process.cpuUsage();
    const started = performance.now();
    await work();
    const wall = performance.now() - started;
    const { user, system } = process.cpuUsage(before);
    if (wall < best.wall) best = { wall, processor: (user + system) / 1000 };
  }
  console.log(`${what}: ${seconds(best.wall)} s, ${seconds(best.processor)} s of processor time`);
}

function seconds(milliseconds: number): string {
  return (milliseconds / 1000).toFixed(2);
}

try {
  const { prompts, of } = await ask('scores', { edit: nextEdit() });
  await timed(`scores on ${prompts} of ${of} test prompts`, () => ask('scores', { edit: nextEdit() }));
  await timed('scores with a swap', () => ask('scores', { edit: nextEdit('swap') }));
  await timed('a prompt', () => ask('prompt', { edit: nextEdit(), at: asked % prompts }));
  await timed('a text on a direction', () =>
    ask('activations', {
      direction: kept[asked++ % kept.length]!,
      text: 'When Mary and John went to the store',
    }),
  );
  await timed('an attack of one step', () => ask('attack', { edit: nextEdit(), steps: 1 }));
} finally {
  stop.abort();
  await ended;
}
