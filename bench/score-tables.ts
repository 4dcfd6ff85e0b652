/**
 * What a row of scoring's tables takes of the processor, from the statistics to the files and, for the page, back:
 * `node dist/bench/score-tables.js SHARD`, after `npm run build`. SHARD is the folder of one of several, whose
 * statistics stay: `orthoscope score MODEL --data FILE --positions all --shard 1/2 --out SHARD`. Measured once more
 * without its examples, so that what they take is known apart.
 */
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { Slot, State } from '../assembly/layout.js';
import { modelName } from '../src/formats/manifest.js';
import { resolveModel } from '../src/formats/model-folder.js';
import { openRun } from '../src/formats/run-folder.js';
import { openTokenizer } from '../src/formats/tokenizer.js';
import { readScoredWith } from '../src/score/directions-file.js';
import { rankDirections, readExamples } from '../src/score/read-tables.js';
import { statePath } from '../src/score/score-data-sets.js';
import { readStateFile } from '../src/score/state-file.js';
import { slotBytes, stateBytes } from '../src/score/statistics-state.js';
import { writeTables } from '../src/score/tables.js';

const TURNS = 3;

const [folder] = process.argv.slice(2);
if (!folder) throw new Error('give the folder of a shard');
const run = await openRun(folder);
const scoredWith = await readScoredWith(run.file('directions.json'));
const { directions, sizes } = scoredWith;
const of = { directions: directions.length, sizes };
const tokenizer = await openTokenizer((await resolveModel(modelName(run.manifest))).folder);
const [name] = Object.keys(run.manifest.data);
const { states } = await readStateFile(statePath(folder, name!), of);
const view = new DataView(states.clean.buffer, states.clean.byteOffset);
const slots = [...directions.keys()].flatMap((at) =>
  Array.from(
    { length: 2 * sizes.examples },
    (_, i) => at * stateBytes(sizes) + State.EXAMPLES + i * slotBytes(sizes) + Slot.PROMPT,
  ),
);
const examples = slots.filter((at) => view.getUint32(at, true) !== Slot.EMPTY).length;

const scratch = mkdtempSync(join(tmpdir(), 'orthoscope-score-tables-'));
try {
  const whole = await least();
  const bytes = ['directions', 'examples'].map((table) => statSync(join(scratch, `${table}.parquet`)).size);
  for (const at of slots) view.setUint32(at, Slot.EMPTY, true);
  const bare = await least();
  const [direction, example] = [bare / directions.length, (whole - bare) / examples];
  console.log(`${cpus()[0]?.model.trim()}, Node ${process.version}`);
  console.log(
    `${directions.length} directions, ${examples} examples: ${whole.toFixed(2)} s of the processor`,
  );
  console.log(`${(1e6 * direction).toFixed(1)} µs a direction, ${(1e6 * example).toFixed(2)} µs an example`);
  console.log(
    `${(bytes[0]! / directions.length).toFixed(0)} bytes a direction, ${(bytes[1]! / examples).toFixed(0)} bytes an example`,
  );
} finally {
  rmSync(scratch, { recursive: true });
}

async function least(): Promise<number> {
  let seconds = Number.POSITIVE_INFINITY;
  for (let turn = 0; turn < TURNS; turn++) {
    const before = process.cpuUsage();
    await makeTables();
    const { user, system } = process.cpuUsage(before);
    seconds = Math.min(seconds, (user + system) / 1e6);
  }
  return seconds;
}

/** As `score` does it: the tables, then what its page shows. */
async function makeTables(): Promise<void> {
  const paths = {
    directions: join(scratch, 'directions.parquet'),
    examples: join(scratch, 'examples.parquet'),
  };
  const load = async function* () {
    yield { name: name!, states };
  };
  await writeTables(paths, load, { ...scoredWith, tokenizer, metadata: {} });
  const ranked = await rankDirections(scratch, null, 24);
  const shown = new Set(ranked.flatMap(({ rows }) => rows.map(({ direction }) => direction)));
  await readExamples(scratch, (_, direction) => shown.has(direction));
}
