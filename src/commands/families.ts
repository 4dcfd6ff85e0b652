/** `families`: prompts that rest on the same directions, and whether a circuit for each of these families is smaller. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { InputError } from '../errors.js';
import { binarised } from '../evaluate/circuit-size.js';
import { noneKept } from '../evaluate/controls.js';
import { denominatorOf, faithfulnessOf, isToldFromZero } from '../evaluate/faithfulness.js';
import type { PromptScores } from '../evaluate/prompt-scores.js';
import type { Families, PartCircuit, Together } from '../evidence/families-file.js';
import { setOf, setOn } from '../evidence/measured-set.js';
import { familiesOf, familyOf, promptAttributions } from '../evidence/prompt-families.js';
import { scoreOf } from '../evidence/rank-directions.js';
import { writeReport } from '../explorer/write-report.js';
import { writeJson } from '../formats/atomic-file.js';
import { hashFile } from '../formats/file-hash.js';
import { makeFolder } from '../formats/make-folder.js';
import type { RunFolder } from '../formats/run-folder.js';
import type { TokenPair } from '../formats/token-pairs.js';
import { writeMasks } from '../masks/masks-file.js';
import type { Listener } from '../progress.js';
import { Random } from '../random.js';
import { loadMasks, masksMetadata } from '../run/masks.js';
import { ownData } from '../run/own-data.js';
import { ownSettings, ownTraining } from '../run/own-settings.js';
import { checkModel, sourceOf } from '../run/source.js';
import { withSubject } from '../run/subject.js';
import { trainOn } from '../run/training.js';
import { openWorkbench, workload } from '../run/workbench.js';
import type { Given } from '../settings/commands.js';
import { complete } from '../settings/complete.js';
import { type BootstrapSettings, bootstrapIntervals } from '../statistics/bootstrap.js';
import { agreementOf } from '../statistics/clusters.js';
import { mean } from '../statistics/summary.js';
import { SPLITS } from '../tasks/splits.js';

export interface FamiliesOutcome {
  run: RunFolder;
  families: Families;
  /** Path of `families.json`, in the run's folder. */
  file: string;
  /** Path of the report page; null where the run was not evaluated, and has none. */
  report: string | null;
}

type Parts = Record<(typeof SPLITS)[number], number[]>;

/** What was measured of the circuits of some parts. */
interface Measured {
  circuits: PartCircuit[];
  together: Together;
  /** KL of each test prompt with its own part's circuit. */
  kl: Float64Array;
}

/**
 * Clusters a run's training prompts by what each direction adds to their answers, trains a circuit for each family, and
 * holds it against the run's circuit and against circuits of random parts of the same sizes, on test prompts.
 * @example
 * const { families } = await families({ run: 'runs/ioi' });
 * console.log(families.families.length, families.together.difference.kl);
 */
export async function families(given: Given<'families'>, listener: Listener = {}): Promise<FamiliesOutcome> {
  const started = performance.now();
  const { model, run } = await sourceOf(given.run, given.model);
  if (run?.manifest.command !== 'run')
    throw new InputError(
      `${given.run}: families are found in the prompts of a run with a test split, which "orthoscope run" makes`,
    );
  const asked = complete('families', given);
  const { engine, workers, store, memory } = asked;
  const own = complete('evaluate', { run: run.path, engine, workers, store, memory }, ownSettings(run));
  const seed = asked.seed ?? own.seed;
  return withSubject(model, { ...own, ...listener }, async (subject) => {
    await checkModel(subject.model, run);
    const masks = await loadMasks(own.masks!, subject.model, own);
    const { data } = await ownData(run, subject, own, masks.kinds, listener);
    const pairs = Object.fromEntries(SPLITS.map((split) => [split, data.splits[split]!])) as Record<
      (typeof SPLITS)[number],
      TokenPair[]
    >;
    const fewest = asked.families ?? 2;
    if (pairs.train.length <= fewest)
      throw new InputError(
        `${run.path}: ${pairs.train.length} training prompts make no ${fewest} families; train on more`,
      );
    const training = { ...ownTraining(run, subject.model.path), ...own };
    const bench = await openWorkbench(subject, workload(data, training.batchSize), {
      ...own,
      ...{ components: masks.kinds, basisName: masks.basisName, estimatedOn: pairs.train },
      ...listener,
    });
    listener.onNote?.(`engine ${bench.engine.name} (${bench.engine.version}): ${bench.engine.reason}`);
    try {
      const { layout } = bench.runner;
      const prepare = (split: keyof Parts) =>
        bench.runner.prepare(pairs[split], { replacement: own.replacement, seed: own.seed, ...listener });
      const score = scoreOf(SPLITS.flatMap((split) => pairs[split]));
      const attributed = async (split: keyof Parts) =>
        promptAttributions(await prepare(split), layout.size, score, `attribute ${split}`, listener);
      const found = familiesOf(await attributed('train'), asked.families);
      const nearest = async (split: keyof Parts) =>
        (await attributed(split)).map((each) => familyOf(each, found.centres));
      const labels: Parts = {
        train: found.labels,
        validation: await nearest('validation'),
        test: await nearest('test'),
      };

      const tested = await prepare('test');
      const joint = { layout, masked: masks.masked, binarised: binarised(masks.values, own.threshold) };
      const none = await tested.score(noneKept(joint), listener);
      const jointScores = await tested.score(joint.binarised, listener);
      const { level, resamples } = own;
      const settings = { level, resamples, seed };
      const trained = async (parts: Parts, name: (part: number) => string): Promise<Measured> => {
        const circuits: { masks: Float32Array; scores: PromptScores }[] = [];
        for (let part = 0; part < found.centres.length; part++) {
          const some = (split: keyof Parts) => pairs[split].filter((_, i) => parts[split][i] === part);
          const validation = some('validation');
          const splits = { train: some('train'), ...(validation.length > 0 && { validation }) };
          listener.onNote?.(`${name(part)}: ${splits.train.length} training prompts`);
          const { masks } = await trainOn(bench, splits, training, listener);
          const circuit = binarised(masks, own.threshold);
          await makeFolder(run.file('families'));
          await writeMasks(run.file(join('families', `${name(part).replace(' ', '-')}.safetensors`)), {
            values: layout.split(circuit),
            metadata: await masksMetadata(bench, own),
          });
          circuits.push({ masks: circuit, scores: await tested.score(circuit, listener) });
        }
        const scored = { joint: { masks: joint.binarised, scores: jointScores }, none };
        return measured(parts, circuits, scored, settings);
      };
      const byFamily = await trained(labels, (part) => `family ${part + 1}`);
      const byChance = await trained(shuffled(labels, seed), (part) => `random ${part + 1}`);
      const { source, hash } = data.described.test!;
      const result: Families = {
        schema_version: 1,
        measured: {
          model: { id: run.manifest.model.id, hash: run.manifest.model.hash },
          weight_form: subject.model.form,
          positions: own.positions,
          replacement: own.replacement,
          ...settings,
          masks: await hashFile(own.masks!),
          ...{ score, source, hash },
          prompts: countsOf(pairs, () => true),
        },
        asked: asked.families,
        silhouettes: found.silhouettes,
        joint: setOf(
          joint.binarised,
          jointScores,
          none,
          denominatorOf({ ...none, none_logit_diff: none.logit_diff }, settings),
          settings,
        ),
        families: byFamily.circuits.map((circuit, part) => ({
          ...circuit,
          examples: pairs.train.flatMap(({ id }, i) => (labels.train[i] === part ? id : [])).slice(0, 3),
        })),
        random: byChance.circuits,
        together: {
          families: byFamily.together,
          random: byChance.together,
          difference: difference(byFamily.kl, byChance.kl, settings),
        },
        groups: groupsOf(pairs, labels, found.centres.length, (prompts) =>
          setOn(prompts, joint.binarised, jointScores, none, settings),
        ),
        seconds: (performance.now() - started) / 1000,
      };
      const file = run.file('families.json');
      await writeJson(file, result);
      const report = existsSync(run.file('metrics.json')) ? await writeReport(run.path) : null;
      return { run, families: result, file, report };
    } finally {
      await bench.runner.close();
    }
  });
}

/** The same numbers of prompts in each part, dealt out at random. */
function shuffled(labels: Parts, seed: number): Parts {
  const deal = (split: keyof Parts) => new Random(seed).fork(`parts ${split}`).shuffle([...labels[split]]);
  return { train: deal('train'), validation: deal('validation'), test: deal('test') };
}

function countsOf(
  items: Record<keyof Parts, readonly unknown[]>,
  counts: (split: keyof Parts, at: number) => boolean,
): Record<keyof Parts, number> {
  const of = (split: keyof Parts) => items[split].filter((_, i) => counts(split, i)).length;
  return { train: of('train'), validation: of('validation'), test: of('test') };
}

interface Circuit {
  masks: Float32Array;
  /** On all test prompts. */
  scores: PromptScores;
}

function measured(
  parts: Parts,
  circuits: readonly Circuit[],
  { joint, none }: { joint: Circuit; none: PromptScores },
  settings: BootstrapSettings,
): Measured {
  const keeps = (masks: Float32Array) => masks.reduce((sum, mask) => sum + mask, 0);
  const own = (name: 'kl' | 'logit_diff') =>
    Float64Array.from(parts.test, (part, i) => circuits[part]!.scores[name][i]!);
  const kl = own('kl');
  const denominator = denominatorOf({ ...none, none_logit_diff: none.logit_diff }, settings);
  return {
    kl,
    circuits: circuits.map(({ masks, scores }, part) => {
      const [inside, outside] = [true, false].map((belongs) =>
        [...parts.test.keys()].filter((i) => (parts.test[i] === part) === belongs),
      );
      return {
        prompts: countsOf(parts, (split, i) => parts[split][i] === part),
        shared: keeps(masks.map((mask, at) => mask * joint.masks[at]!)),
        own: setOn(inside!, masks, scores, none, settings),
        joint: setOn(inside!, joint.masks, joint.scores, none, settings),
        others: setOn(outside!, masks, scores, none, settings),
      };
    }),
    together: {
      kept: mean(parts.test.map((part) => keeps(circuits[part]!.masks)))!,
      union: keeps(joint.masks.map((_, at) => Math.max(...circuits.map(({ masks }) => masks[at]!)))),
      kl: mean(kl)!,
      f: isToldFromZero(denominator)
        ? faithfulnessOf(mean(own('logit_diff'))!, mean(none.full_logit_diff)!, mean(none.logit_diff)!)
        : null,
      above_joint: difference(kl, joint.scores.kl, settings),
    },
  };
}

function difference(
  one: Float64Array,
  other: Float64Array,
  settings: BootstrapSettings,
): { kl: number; confidence: [number, number] } {
  const differences = one.map((value, i) => value - other[i]!);
  const { confidence } = bootstrapIntervals({ confidence: differences }, settings);
  return { kl: mean(differences)!, confidence: confidence! };
}

/** Families beside the groups that pairs have. */
function groupsOf(
  pairs: Record<keyof Parts, readonly TokenPair[]>,
  labels: Parts,
  families: number,
  jointOn: (prompts: readonly number[]) => PartCircuit['joint'],
): Families['groups'] {
  const names = (split: keyof Parts) => pairs[split].map(({ group }) => group ?? '');
  const test = names('test');
  const all = [...new Set(test)];
  if (all.length < 2) return null;
  return {
    train: agreementOf(labels.train, names('train')),
    test: agreementOf(labels.test, test),
    each: all.map((group) => {
      const members = [...test.keys()].filter((i) => test[i] === group);
      return {
        group,
        families: Array.from(
          { length: families },
          (_, family) => members.filter((i) => labels.test[i] === family).length,
        ),
        joint: jointOn(members)!,
      };
    }),
  };
}
