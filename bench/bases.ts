/**
 * Does the singular basis need fewer directions? The same training and the same attributions over each basis, on the
 * embedded model: `node dist/bench/bases.js [--seeds 1] [--presets default,robust] [--tasks ioi,…] [--bases svd,…]
 * [--quick] [--engine native-cpu] [--runs FOLDER] [--out bench/results/bases.json]`, after `npm run build`. Runs that are
 * complete in the folder are not done again. `--quick` trains for a third as long, on a quarter of the prompts.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { compare } from '../src/commands/compare.js';
import { run } from '../src/commands/run.js';
import { readMetrics } from '../src/evaluate/metrics-file.js';
import type { Method } from '../src/evidence/compare-file.js';
import { writeJson } from '../src/formats/atomic-file.js';
import { readJson } from '../src/formats/json-file.js';
import { packageFile } from '../src/package-file.js';
import { decimal } from '../src/report/figures.js';
import { textTable } from '../src/report/text-table.js';
import { COMMANDS, type Given, type Settings } from '../src/settings/commands.js';
import { readValue } from '../src/settings/text.js';
import { mean } from '../src/statistics/summary.js';
import { needed } from './evidence/needed.js';

const { values: options } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1' },
    presets: { type: 'string', default: 'default,robust' },
    tasks: { type: 'string', default: 'ioi,gendered-pronoun,greater-than' },
    bases: { type: 'string', default: 'svd,random,principal,coordinates' },
    quick: { type: 'boolean', default: false },
    engine: { type: 'string', default: 'native-cpu' },
    runs: { type: 'string', default: 'sweeps/bases' },
    out: { type: 'string', default: packageFile('bench/results/bases.json') },
  },
});

function checked<Key extends keyof Settings<'run'>>(key: Key, text: string): Settings<'run'>[Key] {
  const read = readValue(COMMANDS.run[key], text);
  if ('value' in read) return read.value as Settings<'run'>[Key];
  throw new Error(`${key} ${text}: ${read.problem}`);
}

const { quick } = options;
const PROMPTS = quick
  ? { trainPairs: 64, validationPairs: 32, testPairs: 64 }
  : { trainPairs: 256, validationPairs: 64, testPairs: 256 };
const ATTACK = quick ? { attack: 5, attackPairs: 16 } : { attack: 20, attackPairs: 64 };
const SCHEDULE = quick ? { steps: 40, roundingSteps: 20, batchSize: 16 } : {};
/** Pairs that other methods rank on, and that cuts are measured on. */
const RANKED = quick ? 32 : 128;
/** KL in nats that a circuit may have. */
const ENOUGH = [0.1, 0.05];
const METHODS = ['learned', 'attribution', 'difference'] as const;

interface Row {
  task: string;
  basis: string;
  preset: string;
  seed: number;
  /** The circuit that training found. */
  directions: number;
  active: number;
  kl: number;
  exact_match: number;
  attacked_kl: number | null;
  /** By method and ranking: directions that reach each KL of `enough`, null where none of the sizes does; CMD. */
  methods: { method: string; needed: (number | null)[]; cmd: number | null }[];
}

function methodOf({ id, ranking, cuts, cmd }: Method): Row['methods'][number] {
  return {
    method: ranking === null ? id : `${id}, ${ranking}`,
    needed: ENOUGH.map((kl) => needed(cuts, kl)),
    cmd: cmd?.value ?? null,
  };
}

async function isComplete(folder: string, file: string): Promise<boolean> {
  const manifest = join(folder, 'manifest.json');
  if (!existsSync(manifest) || !existsSync(join(folder, file))) return false;
  return (await readJson(manifest)).status === 'complete';
}

async function rowOf(task: string, basis: string, preset: string, seed: number): Promise<Row> {
  const folder = join(options.runs, `${task}-${basis}-${preset}-${seed}`);
  const given: Given<'run'> = {
    ...PROMPTS,
    ...ATTACK,
    ...SCHEDULE,
    ...{ seed, controlSeeds: 0, pagePrompts: 0, resamples: 200 },
    task: checked('task', task),
    basis: checked('basis', basis),
    preset: checked('preset', preset),
    engine: checked('engine', options.engine),
  };
  const resume = existsSync(join(folder, 'manifest.json'));
  if (!(await isComplete(folder, 'metrics.json'))) await run({ ...given, out: folder, resume });
  const compared = join(options.runs, `compare-${task}-${basis}-${preset}-${seed}`);
  const { engine } = given;
  const comparison = (await isComplete(compared, 'compare.json'))
    ? ((await readJson(join(compared, 'compare.json'))) as { methods: Method[] })
    : (
        await compare({
          ...{ run: folder, out: compared, engine, methods: [...METHODS] },
          ...{ rankPairs: RANKED, cutPairs: RANKED, resamples: 20 },
        })
      ).comparison;
  const { binarised, attack } = (await readMetrics(join(folder, 'metrics.json'))).splits.test!;
  return {
    ...{ task, basis, preset, seed, directions: binarised.directions, active: binarised.active },
    ...{ kl: binarised.kl!, exact_match: binarised.exact_match!, attacked_kl: attack?.kl ?? null },
    methods: comparison.methods.map(methodOf),
  };
}

const rows: Row[] = [];
const list = (text: string) => text.split(',');
for (const preset of list(options.presets))
  for (let seed = 0; seed < Number(options.seeds); seed++)
    for (const task of list(options.tasks))
      for (const basis of list(options.bases)) {
        const started = performance.now();
        rows.push(await rowOf(task, basis, preset, seed));
        await writeJson(options.out, { quick, enough: ENOUGH, prompts: PROMPTS, attack: ATTACK, rows });
        const { active, kl, attacked_kl } = rows.at(-1)!;
        const seconds = (performance.now() - started) / 1000;
        console.error(task, basis, preset, seed, active, kl, attacked_kl, `${seconds.toFixed(0)} s`);
      }

const over = (own: readonly Row[], of: (row: Row) => number | null) =>
  mean(own.flatMap((row) => of(row) ?? [])) ?? null;
const groups = new Map<string, Row[]>();
for (const row of rows) {
  const name = `${row.task}, ${row.basis}, ${row.preset}`;
  groups.set(name, [...(groups.get(name) ?? []), row]);
}
const shown = [...groups];
const column = (heading: string, places: number, of: (row: Row) => number | null) => ({
  heading,
  texts: shown.map(([, own]) => decimal(over(own, of), places)),
  align: 'right' as const,
});
const by = (method: string, at: number) => (row: Row) =>
  row.methods.find((one) => one.method === method)?.needed[at] ?? null;
console.log(
  textTable([
    { heading: 'task, basis, preset', texts: shown.map(([name]) => name), align: 'left' },
    column('directions', 0, ({ directions }) => directions),
    column('kept', 0, ({ active }) => active),
    column('KL', 3, ({ kl }) => kl),
    column('attacked', 3, ({ attacked_kl }) => attacked_kl),
    column('learned to .1', 0, by('learned', 0)),
    column('to .05', 0, by('learned', 1)),
    column('attribution to .1', 0, by('attribution, absolute', 0)),
    column('difference to .1', 0, by('difference', 0)),
  ]),
);
