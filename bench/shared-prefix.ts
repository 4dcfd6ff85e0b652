/**
 * What prompts that begin alike cost beside prompts of the same lengths that do not, after `npm run build`:
 *
 *     node dist/bench/shared-prefix.js [--model FOLDER] [--common 8,40] [--own 18] [--prompts 64] [--rounds 3]
 *                                      [--engine native-cpu] [--only step,forward,last,all] [--json]
 *
 * A step of mask training with all kinds masked, a masked forward pass of as many prompts, and scoring of all directions
 * at the last token and at all. Both sorts of prompts take turns; counted is the processor's time, of all threads, which
 * other work on the machine changes little. Before anything is timed, loss and gradient must be those of each prompt
 * alone, where nothing is in common. The model's decomposition is kept in the usual store.
 */
import { availableParallelism, cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { decompose } from '../src/decompose/decompose.js';
import { DecompositionStore } from '../src/decompose/store.js';
import { type EngineChoice, openEngine } from '../src/engine/engine.js';
import type { TokenPair } from '../src/formats/token-pairs.js';
import { MaskedModel } from '../src/forward/masked-model.js';
import { FULL_PASSES } from '../src/forward/passes.js';
import { Transformer } from '../src/forward/transformer.js';
import { objective } from '../src/masks/objective.js';
import { totalKl } from '../src/masks/total-kl.js';
import { listComponents } from '../src/models/components.js';
import { openModel } from '../src/models/open-model.js';
import { packageFile } from '../src/package-file.js';
import { PreparedPairs } from '../src/pairs/prepared-pairs.js';
import { Random } from '../src/random.js';
import { storeFolder } from '../src/run/decomposition.js';
import { readBases } from '../src/score/bases.js';
import { chooseDirections } from '../src/score/chosen-directions.js';
import { ReaderThreads } from '../src/score/reader-threads.js';
import { Scorer } from '../src/score/scorer.js';
import type { ScoredPositions } from '../src/settings/choices.js';
import { quantile } from '../src/statistics/summary.js';
import { describeEngine } from './processor.js';

const { values: options } = parseArgs({
  options: {
    model: { type: 'string', default: packageFile('models/embedded') },
    common: { type: 'string', default: '8,40' },
    own: { type: 'string', default: '18' },
    prompts: { type: 'string', default: '64' },
    rounds: { type: 'string', default: '3' },
    engine: { type: 'string', default: 'native-cpu' },
    only: { type: 'string', default: 'step,forward,last,all' },
    json: { type: 'boolean', default: false },
  },
});
const cases = options.only.split(',');
const [own, count, rounds] = [options.own, options.prompts, options.rounds].map(Number) as [
  number,
  number,
  number,
];

/** Whether prompts begin alike. */
const WAYS = ['alike', 'apart'] as const;
type Way = (typeof WAYS)[number];

interface Row {
  common: number;
  case: string;
  /** Medians of processor seconds. */
  seconds: Record<Way, number>;
  /** Of each round, alike over apart. */
  ratios: number[];
}

const engine = await openEngine({ engine: options.engine as EngineChoice });
const model = await openModel(options.model);
const { architecture } = model;
const decomposition = await decompose(model, { store: new DecompositionStore(storeFolder(null)) });
const rows: Row[] = [];
if (!options.json) {
  const machine = `${cpus()[0]?.model.trim()}, ${availableParallelism()} cores, Node ${process.version}`;
  console.log(`${machine}; engine ${describeEngine(engine)}; ${count} prompts, ${own} tokens of their own\n`);
  console.log('| common tokens | case | apart | alike | ratio, and of each round |');
  console.log('|---|---|---|---|---|');
}
const commons = options.common.split(',').map(Number);
if (cases.some((name) => name === 'step' || name === 'forward')) await underMasks();
if (cases.some((name) => name === 'last' || name === 'all')) await scored();

function promptsOf(way: Way, common: number): Int32Array[] {
  const random = new Random(common);
  const tokens = (length: number) => Array.from({ length }, () => random.integer(architecture.nVocab));
  const beginning = tokens(common);
  return Array.from({ length: count }, () =>
    Int32Array.from([...(way === 'alike' ? beginning : tokens(common)), ...tokens(own)]),
  );
}

async function underMasks(): Promise<void> {
  const masked = await MaskedModel.load(engine, model, decomposition);
  const random = new Random(1);
  const soft = Float32Array.from({ length: masked.layout.size }, () => random.uniform());
  const circuit = soft.map((value) => Number(value < 0.1));
  const how = { replacement: 'interchange', seed: 0 } as const;
  for (const common of commons) {
    const prepared = new Map<Way, PreparedPairs>();
    for (const way of WAYS) {
      const prompts = promptsOf(way, common);
      const pairs = prompts.map(
        (clean, at): TokenPair => ({
          id: String(at),
          clean,
          corrupted: prompts[(at + 1) % count]!,
          answers: new Int32Array(0),
          distractors: new Int32Array(0),
        }),
      );
      prepared.set(way, await PreparedPairs.prepare(masked, pairs, how));
    }
    const few = Array.from({ length: Math.min(4, count) }, (_, at) => at);
    const together = await objective(prepared.get('alike')!, few, soft, 'kl', FULL_PASSES.train);
    const alone = await objective(prepared.get('alike')!, few, soft, 'kl', 1);
    const scale = Math.max(...alone.gradient.map(Math.abs));
    const off = Math.max(...alone.gradient.map((value, at) => Math.abs(value - together.gradient[at]!)));
    if (!(Math.abs(together.kl - alone.kl) < 1e-4 * alone.kl && off < 1e-3 * scale))
      throw new Error(
        `together KL ${together.kl}, alone ${alone.kl}; gradients differ by ${off} of ${scale}`,
      );
    const all = Array.from({ length: count }, (_, at) => at);
    const work: Record<string, (way: Way) => Promise<unknown>> = {
      step: (way) => objective(prepared.get(way)!, all, soft, 'kl', FULL_PASSES.train),
      forward: (way) => totalKl(prepared.get(way)!, circuit),
    };
    for (const [name, run] of Object.entries(work)) if (cases.includes(name)) await timed(common, name, run);
  }
  masked.dispose();
}

async function scored(): Promise<void> {
  const { bases } = await readBases(
    model,
    decomposition,
    chooseDirections('all', listComponents(architecture)),
  );
  const plain = await Transformer.load(engine, model, { logits: false });
  for (const positions of ['last', 'all'] as const)
    if (cases.includes(positions)) {
      const readers = await ReaderThreads.open(bases, { examples: 5, context: 16 }, availableParallelism());
      const scorer = new Scorer(plain, readers, bases, positions as ScoredPositions);
      for (const common of commons)
        await timed(common, positions, async (way) => {
          const passages = promptsOf(way, common).map((ids, prompt) => {
            return { prompt, ids, from: positions === 'all' ? 0 : ids.length - 1, shift: 0 };
          });
          for await (const _ of scorer.score('clean', passages, false));
          await scorer.drain();
        });
      await readers.close();
    }
  plain.dispose();
}

async function timed(common: number, name: string, run: (way: Way) => Promise<unknown>): Promise<void> {
  const seconds: Record<Way, number[]> = { alike: [], apart: [] };
  // What is done once, such as compiling, is no part of it.
  for (const way of WAYS) await run(way);
  for (let round = 0; round < rounds; round++)
    for (const way of WAYS) {
      const before = process.cpuUsage();
      await run(way);
      const { user, system } = process.cpuUsage(before);
      seconds[way].push((user + system) / 1e6);
    }
  const row: Row = {
    common,
    case: name,
    seconds: { alike: median(seconds.alike), apart: median(seconds.apart) },
    ratios: seconds.alike.map((alike, round) => alike / seconds.apart[round]!),
  };
  rows.push(row);
  const { alike, apart } = row.seconds;
  const ratios = row.ratios.map((ratio) => ratio.toFixed(2)).join(', ');
  if (!options.json)
    console.log(
      `| ${common} | ${name} | ${apart.toFixed(2)} s | ${alike.toFixed(2)} s | ${median(row.ratios).toFixed(2)}: ${ratios} |`,
    );
}

function median(values: readonly number[]): number {
  return quantile(
    [...values].sort((a, b) => a - b),
    0.5,
  );
}

if (options.json) process.stdout.write(`${JSON.stringify(rows, null, 1)}\n`);
