/**
 * Whether a circuit's directions carry the answer: they are set to what they are in prompts with the opposite answer,
 * next to directions outside the circuit and random ones in which as much is written. After `npm run build`:
 *
 *     node dist/bench/swaps.js --task gendered-pronoun [--model FOLDER --masks FILE --engine native-cpu]
 *                              [--change opposite] [--scales 1,2,5,10,15,20] [--train 1000 --test 100 --ranked 64]
 *                              [--templates such] [--save FILE]
 *
 * Without `--masks` the default circuit is trained first. Directions are ranked by importance on validation prompts,
 * means are taken over training prompts, and test prompts are changed. Four experiments: the most important direction
 * that writes to the stream; all of the circuit in its component; the eight most important; and all that write.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import { Terminal } from '../cli/terminal.js';
import { interpret } from '../src/commands/interpret.js';
import { intervene } from '../src/commands/intervene.js';
import { writeTaskFiles } from '../src/commands/task.js';
import { train } from '../src/commands/train.js';
import type { Effect, Effects } from '../src/interpret/effects.js';
import { packageFile } from '../src/package-file.js';
import { decimal, percent } from '../src/report/figures.js';
import { CHANGES, ENGINE_CHOICES } from '../src/settings/choices.js';

const { values: options } = parseArgs({
  options: {
    model: { type: 'string', default: packageFile('models/embedded') },
    task: { type: 'string', default: 'gendered-pronoun' },
    masks: { type: 'string' },
    templates: { type: 'string' },
    engine: { type: 'string', default: 'wasm' },
    change: { type: 'string', default: 'opposite' },
    scales: { type: 'string', default: '1' },
    train: { type: 'string', default: '1000' },
    test: { type: 'string', default: '200' },
    ranked: { type: 'string', default: '64' },
    draws: { type: 'string', default: '5' },
    save: { type: 'string' },
  },
});

const engine = ENGINE_CHOICES.find((name) => name === options.engine)!;
const change = CHANGES.find((name) => name === options.change)!;
const { model, task } = options;
const templates = options.templates?.split(',');
/** Of places on this machine only the last names. */
const saved = {
  ...options,
  model: basename(model),
  masks: options.masks && basename(options.masks),
  save: undefined,
};
const machine = `${cpus()[0]?.model.trim()}, ${availableParallelism()} cores, Node ${process.version}`;
const folder = mkdtempSync(join(tmpdir(), 'swaps-'));
const terminal = new Terminal({ quiet: false });
const listener = { onNote: terminal.note, onProgress: terminal.progress };

interface Experiment {
  name: string;
  directions: string[];
  effects: Effects;
}

try {
  const sizes = { trainPairs: Number(options.train), testPairs: Number(options.test) };
  const prompts = { task, ...sizes, templates };
  const masks =
    options.masks ??
    (await train({ model, ...prompts, engine, out: join(folder, 'run') }, listener)).run.file(
      'masks.safetensors',
    );
  const files = join(folder, 'prompts');
  await writeTaskFiles({ model, ...prompts, validationPairs: Number(options.ranked), out: files }, listener);
  const data = join(files, 'validation.jsonl');
  const ranked = await interpret(
    {
      ...{ run: model, masks, directions: 'active', engine, tokens: 1, exact: 30, top: 10_000 },
      ...{ data, validation: data, test: data, out: join(folder, 'ranked') },
    },
    listener,
  );
  const order = ranked.summary.top.filter(({ raises }) => raises !== null);
  const [first] = order;
  const namesOf = (readings: typeof order) => readings.map(({ direction }) => direction);
  const sets: [string, string[]][] = [
    ['1, the most important direction', namesOf(order.slice(0, 1))],
    [
      `2, all in ${first!.component}`,
      namesOf(order.filter(({ component }) => component === first!.component)),
    ],
    ['3, the eight most important', namesOf(order.slice(0, 8))],
    ['4, all that write', namesOf(order)],
  ];
  const experiments: Experiment[] = [];
  for (const [name, directions] of sets) {
    terminal.note(`${name}: ${directions.length} directions`);
    const { summary } = await intervene(
      {
        ...{ run: model, masks, directions: directions.join(','), change, engine, ...prompts },
        ...{ scales: options.scales.split(',').map(Number), draws: Number(options.draws), unrelatedPairs: 0 },
        out: join(folder, `experiment-${experiments.length + 1}`),
      },
      listener,
    );
    experiments.push({ name, directions, effects: summary.tested });
    if (options.save)
      writeFileSync(options.save, JSON.stringify({ machine, options: saved, experiments }, null, 1));
  }
  process.stdout.write(`${table(experiments)}\n\n${machine}, load ${loadavg()[0]!.toFixed(1)}\n`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** Each experiment's scales and ways, controls beside the circuit's directions. */
function table(experiments: readonly Experiment[]): string {
  const head = [
    'experiment | directions | × | way | Δ logit difference | flipped | outside: Δ, flipped | random: Δ, flipped',
    '---|---|---|---|---|---|---|---',
  ];
  const rows = experiments.flatMap(({ name, directions, effects: { effects } }) =>
    effects
      .filter(({ set }) => set === 'chosen')
      .map((chosen) => {
        const beside = (set: Effect['set']) => {
          const control = effects.find(
            (other) => other.set === set && other.way === chosen.way && other.scale === chosen.scale,
          );
          return control ? `${delta(control)}, ${flipped(control)}` : '–';
        };
        return [
          ...[name, directions.length, chosen.scale, chosen.way, delta(chosen), flipped(chosen)],
          ...[beside('outside'), beside('random')],
        ].join(' | ');
      }),
  );
  return [...head, ...rows].map((row) => `| ${row} |`).join('\n');
}

function delta({ change: { value, interval } }: Effect): string {
  return `${decimal(value, 2)}${interval ? ` [${interval.map((end) => decimal(end, 2)).join(', ')}]` : ''}`;
}

function flipped({ flipped: { value, interval } }: Effect): string {
  return `${percent(value)}${interval ? ` [${interval.map((end) => percent(end)).join(', ')}]` : ''}`;
}
