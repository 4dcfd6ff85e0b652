/**
 * The splits of QK under rotary positions, compared by what a circuit of each is worth at equal size:
 * `node dist/bench/qk-splits.js --model FOLDER [--seeds 3] [--engine wasm]`, after `npm run build`. Only QK is masked;
 * a plane counts as two directions, and costs as much. The prompts are stories about a boy or a girl, for a small
 * Llama trained on TinyStories (../shared/data/llama-tinystories-656k); their corruption is the other child.
 */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { run } from '../src/commands/run.js';
import type { EngineChoice } from '../src/engine/engine.js';
import { type PromptPair, writePromptPairs } from '../src/formats/prompt-pairs.js';
import type { QkSplit } from '../src/models/qk-split.js';
import { Random } from '../src/random.js';
import { PRESETS, type TrainSettings } from '../src/settings/train-settings.js';

const { values: options } = parseArgs({
  options: {
    model: { type: 'string' },
    seeds: { type: 'string', default: '3' },
    engine: { type: 'string', default: 'wasm' },
  },
});
if (!options.model) throw new Error('give --model FOLDER');

const SPLITS: readonly QkSplit[] = [
  { by: 'rotary', offsets: 64 },
  { by: 'rotary', offsets: 1 },
  { by: 'plane', offsets: 64 },
];
const SCHEDULE: TrainSettings = {
  ...PRESETS.default,
  lr: 0.05,
  lrDecay: 1,
  l1Warmup: 0.3,
  steps: 160,
  roundingSteps: 100,
  roundingLr: 0.1,
  roundingDecay: 0.1,
};
/** λ of one direction, in nats. */
const PRICES = [3e-3, 1e-2, 3e-2];

const CHILDREN = {
  girl: ['Lily', 'Mia', 'Anna', 'Sara', 'Lucy', 'Emma'],
  boy: ['Tim', 'Tom', 'Max', 'Ben', 'Jack', 'Sam'],
};
const PLACES = ['the park', 'the house', 'the garden', 'the beach', 'the store'];
const THINGS = ['a ball', 'a dog', 'a big tree', 'a red car', 'a little bird', 'a toy'];
const TEMPLATES = [
  (child: string, name: string, place: string, thing: string) =>
    `Once upon a time, there was a little ${child} named ${name}. One day, ${name} went to ${place} and saw ${thing}. Then`,
  (child: string, name: string, place: string, thing: string) =>
    `${name} was a happy ${child}. ${name} had ${thing} and liked to play in ${place}. One day,`,
  (child: string, name: string, place: string, thing: string) =>
    `There was a ${child} called ${name} who loved ${place}. The ${child} found ${thing} there and`,
];

const scratch = mkdtempSync(join(tmpdir(), 'orthoscope-bench-'));
try {
  const data = join(scratch, 'pairs.jsonl');
  await writePromptPairs(data, stories(new Random(0)));
  console.log('| split | λ a direction | directions kept | KL | exact match |');
  console.log('|---|---|---|---|---|');
  for (const split of SPLITS)
    for (const price of PRICES) {
      const found: Awaited<ReturnType<typeof measure>>[] = [];
      for (let seed = 0; seed < Number(options.seeds); seed++)
        found.push(await measure(data, split, price, seed));
      const column = (name: 'kept' | 'kl' | 'match') => found.map((entry) => entry[name]);
      const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
      const title = split.by === 'plane' ? 'plane' : `rotary, N = ${split.offsets}`;
      console.log(
        `| ${title} | ${price} | ${mean(column('kept')).toFixed(0)} (${column('kept').join(', ')}) ` +
          `| ${mean(column('kl')).toFixed(3)} | ${mean(column('match')).toFixed(3)} |`,
      );
    }
} finally {
  rmSync(scratch, { recursive: true, force: true });
}

async function measure(data: string, { by, offsets }: QkSplit, price: number, seed: number) {
  const rank = by === 'plane' ? 2 : 1;
  const { metrics } = await run({
    ...SCHEDULE,
    ...{ l1: rank * price, roundingL1: rank * price },
    ...{ data, seed, controlSeeds: 0, components: ['qk'] },
    model: options.model!,
    qkSplit: by,
    rotaryOffsets: offsets,
    store: join(scratch, 'store'),
    engine: options.engine as EngineChoice,
    out: join(scratch, `${by}-${offsets}-${price}-${seed}`),
  });
  const { binarised: circuit } = metrics.splits.test!;
  return { kept: rank * circuit.active, kl: circuit.kl!, match: circuit.exact_match! };
}

function stories(random: Random): PromptPair[] {
  const pick = <T>(list: readonly T[]) => list[random.integer(list.length)]!;
  const pairs = new Map<string, PromptPair>();
  while (pairs.size < 400) {
    const [template, place, thing] = [pick(TEMPLATES), pick(PLACES), pick(THINGS)];
    const [child, other] = random.shuffle<keyof typeof CHILDREN>(['girl', 'boy']);
    const clean = template(child!, pick(CHILDREN[child!]), place, thing);
    const corrupted = template(other!, pick(CHILDREN[other!]), place, thing);
    if (!pairs.has(clean))
      pairs.set(clean, { id: String(pairs.size), clean, corrupted, answers: [], distractors: [] });
  }
  return [...pairs.values()];
}
