/**
 * Evaluation with all controls, together and by what masks leave, against one mask vector after the other and all
 * directions: `node dist/bench/evaluation.js [--model FOLDER --engine native-cpu] [--task ioi] [--pairs 100] [--kept .01]
 * [--control-seeds 5] [--rounds 2] [--json]`, after `npm run build`. The embedded model on wasm by default.
 *
 * Masks are 1 for a random share of the directions. Both ways take turns; scores must agree before times are printed,
 * which are the processor's, over all threads.
 */
import { availableParallelism, cpus } from 'node:os';
import { parseArgs } from 'node:util';
import type { EngineChoice } from '../src/engine/engine.js';
import { openEngine } from '../src/engine/engine.js';
import { evaluateMasks, type PairScorer, scorerOf } from '../src/evaluate/evaluate.js';
import { scorePrompts } from '../src/evaluate/prompt-scores.js';
import { MaskedModel } from '../src/forward/masked-model.js';
import { packageFile } from '../src/package-file.js';
import { PreparedPairs } from '../src/pairs/prepared-pairs.js';
import { Random } from '../src/random.js';
import { loadData } from '../src/run/data.js';
import { decomposeSubject } from '../src/run/decomposition.js';
import { withSubject } from '../src/run/subject.js';
import { complete } from '../src/settings/complete.js';
import { MOST_PAIRS } from '../src/tasks/task.js';
import { describeEngine, processorFeatures } from './processor.js';

const { values: options } = parseArgs({
  options: {
    model: { type: 'string', default: packageFile('models/embedded') },
    engine: { type: 'string', default: 'wasm' },
    task: { type: 'string', default: 'ioi' },
    pairs: { type: 'string', default: '100' },
    kept: { type: 'string', default: '.01' },
    'control-seeds': { type: 'string', default: '5' },
    rounds: { type: 'string', default: '2' },
    json: { type: 'boolean', default: false },
  },
});

const settings = complete('run', {
  model: options.model,
  task: options.task,
  testPairs: Number(options.pairs),
  controlSeeds: Number(options['control-seeds']),
  // Controls on fewer are measured by control-pairs.ts.
  controlPairs: MOST_PAIRS,
});
await withSubject(options.model, settings, async (subject) => {
  const engine = await openEngine({ engine: options.engine as EngineChoice });
  const { splits } = await loadData(subject, settings, ['test']);
  const decomposition = await decomposeSubject(subject, settings);
  const model = await MaskedModel.load(engine, subject.model, decomposition);
  const prepared = await PreparedPairs.prepare(model, splits.test!, settings);
  const random = new Random(3);
  const masks = Float32Array.from({ length: model.layout.size }, () =>
    Number(random.uniform() < Number(options.kept)),
  );
  const scorer = scorerOf(prepared);
  // With hooks, be there none in them, a pass goes through all directions.
  const whole = { changes: () => ({ hooks: {} }) };
  const ways: Record<string, PairScorer> = {
    'one by one, all directions': {
      ...scorer,
      scoreEach: async (all) => {
        const scores = [];
        for (const one of all) scores.push(await scorePrompts(prepared, one, whole));
        return scores;
      },
    },
    'together, what masks leave': scorer,
  };
  const seconds = new Map(Object.keys(ways).map((name): [string, number[]] => [name, []]));
  const kls: number[][] = [];
  for (let round = 0; round < Number(options.rounds); round++)
    for (const [name, way] of Object.entries(ways)) {
      const before = process.cpuUsage();
      const { kl, controls } = await evaluateMasks(way, masks, settings);
      const { user, system } = process.cpuUsage(before);
      seconds.get(name)!.push((user + system) / 1e6);
      kls.push([kl!, ...Object.values(controls ?? {}).map((control) => control.kl!)]);
    }
  for (const found of kls)
    found.forEach((kl, at) => {
      if (Math.abs(kl - kls[0]![at]!) > 1e-5) throw new Error(`results differ: ${JSON.stringify(kls)}`);
    });
  model.dispose();
  const [[, plain], [, now]] = [...seconds] as [[string, number[]], [string, number[]]];
  const ratios = now.map((taken, round) => plain[round]! / taken);
  if (options.json) {
    console.log(JSON.stringify({ seconds: Object.fromEntries(seconds), ratios, kls: kls[0] }, null, 2));
    return;
  }
  console.log(
    `${cpus()[0]?.model.trim()} (${processorFeatures()}), ${availableParallelism()} cores, ${describeEngine(engine)}`,
  );
  for (const [name, taken] of seconds)
    console.log(`${name}: ${taken.map((one) => one.toFixed(1)).join(', ')} processor seconds`);
  console.log(
    `ratios ${ratios.map((ratio) => ratio.toFixed(2)).join(', ')}; KL ${kls[0]!.map((kl) => kl.toPrecision(4)).join(', ')}`,
  );
});
