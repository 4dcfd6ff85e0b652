/** `align`: subspaces that carry what components do for a task, learned and held against their singular directions. */
import { basisTensors } from '../decompose/basis-file.js';
import type { Directions } from '../decompose/directions.js';
import { inAlignedBasis, spanOf } from '../decompose/turned-basis.js';
import { openEngine } from '../engine/engine.js';
import { loadHostKernels } from '../engine/native/host-kernels.js';
import { InputError } from '../errors.js';
import { binarised } from '../evaluate/circuit-size.js';
import { evenly } from '../evaluate/some-pairs.js';
import type { Alignment } from '../evidence/align-file.js';
import {
  besideSingular,
  learnSubspaces,
  measureSubspaces,
  type SubspacePlace,
} from '../evidence/learned-subspaces.js';
import { writeJson } from '../formats/atomic-file.js';
import type { RunFolder } from '../formats/run-folder.js';
import { writeSafetensors } from '../formats/safetensors-write.js';
import { MaskLayout } from '../forward/layout.js';
import { MaskedModel } from '../forward/masked-model.js';
import type { Component } from '../models/components.js';
import type { Model } from '../models/weights.js';
import { PreparedPairs } from '../pairs/prepared-pairs.js';
import type { Listener } from '../progress.js';
import { Random } from '../random.js';
import { decomposeSubject } from '../run/decomposition.js';
import { loadMasks } from '../run/masks.js';
import { ownData } from '../run/own-data.js';
import { ownSettings } from '../run/own-settings.js';
import { checkModel, sourceOf } from '../run/source.js';
import { withSubject } from '../run/subject.js';
import { planFor, workload } from '../run/workbench.js';
import type { Given } from '../settings/commands.js';
import { complete } from '../settings/complete.js';

export interface AlignOutcome {
  run: RunFolder;
  alignment: Alignment;
  /** Paths of `aligned.json`, and of the directions for `--basis loaded`; in the run's folder. */
  file: string;
  basisFile: string;
}

/** Where a subspace is looked for, with what its file is made of. */
interface Asked extends SubspacePlace {
  directions: Directions;
}

/**
 * Learns subspaces of a run's components on its training prompts and measures them on test prompts.
 * @example
 * const { alignment } = await align({ run: 'runs/ioi', in: ['L2H3.ov'], size: 2 });
 * console.log(alignment.kl.learned, alignment.components[0]?.shared.top_sigma);
 */
export async function align(given: Given<'align'>, listener: Listener = {}): Promise<AlignOutcome> {
  const started = performance.now();
  const { model, run } = await sourceOf(given.run, given.model);
  if (run?.manifest.command !== 'run')
    throw new InputError(`${given.run}: subspaces are learned in a run, which "orthoscope run" makes`);
  const asked = complete('align', given);
  const { engine: choice, store, memory } = asked;
  const own = complete('evaluate', { run: run.path, engine: choice, store, memory }, ownSettings(run));
  if (own.basis !== 'svd')
    throw new InputError(
      `${run.path}: its masks are over the basis ${own.basis}; subspaces are held against singular directions`,
    );
  const seed = asked.seed ?? own.seed;
  return withSubject(model, { ...own, ...listener }, async (subject) => {
    await checkModel(subject.model, run);
    const masks = await loadMasks(own.masks!, subject.model, own);
    const { data } = await ownData(run, subject, own, masks.kinds, listener);
    const { qkSplit, architecture } = subject.model;
    const circuit = binarised(masks.values, own.threshold);
    const layout = new MaskLayout(architecture, masks.kinds, qkSplit);
    const keptIn = (component: Component) => {
      const { start, length } = layout.of(component);
      return Array.from({ length }, (_, k) => k).filter((k) => circuit[start + k]);
    };
    const chosen = chosenComponents(masks.masked, asked.in, run.path, keptIn);
    checkTurnable(chosen, subject.model);
    const engine = await openEngine({ engine: choice });
    listener.onNote?.(`engine ${engine.name} (${engine.version}): ${engine.reason}`);
    const kinds = [...new Set(chosen.map(({ kind }) => kind))];
    const options = { ...own, ...listener, components: kinds };
    const decomposition = await decomposeSubject(subject, options);
    const components: Asked[] = [];
    for (const component of chosen) {
      const directions = (await decomposition.layer(component.layer)).get(component.name)!;
      components.push(askedIn(directions, keptIn(component), asked.size));
    }
    const { passes } = await planFor(subject, workload(data, asked.alignBatch), engine, options);
    const { positions } = own;
    const masked = await MaskedModel.load(engine, subject.model, decomposition, {
      ...{ kinds, positions },
      ...listener,
    });
    try {
      const prepare = (pairs: NonNullable<typeof data.splits.train>) =>
        PreparedPairs.prepare(masked, pairs, {
          ...{ replacement: own.replacement, seed: own.seed, keepPast: passes.keepPast },
          ...{ forwardTokens: passes.forward, ...listener },
        });
      const [learnt, all] = [data.splits.train!, data.splits.test!];
      const tested = all.length <= asked.alignPairs ? all : evenly(all, asked.alignPairs);
      const [train, validation] = [await prepare(learnt), await prepare(data.splits.validation!)];
      const random = new Random(seed);
      const { start, subspaces } = await learnSubspaces(
        { train, validation },
        components,
        {
          ...{ steps: asked.alignSteps, batchSize: asked.alignBatch, rate: asked.alignRate },
          maxTokens: passes.train,
        },
        random,
        listener,
      );
      const test = await prepare(tested);
      const drawing = { draws: asked.alignDraws, random };
      const kl = await measureSubspaces(test, components, subspaces, drawing, listener);
      const { id, hash } = run.manifest.model;
      const about = (split: 'train' | 'test', pairs: number) => {
        const { source, hash } = data.described[split]!;
        return { source: `${source}, ${split}`, hash, pairs };
      };
      const alignment: Alignment = {
        schema_version: 1,
        measured: {
          ...{ model: { id, hash }, weight_form: subject.model.form, positions },
          ...{ replacement: own.replacement, seed },
          ...{ train: about('train', learnt.length), test: about('test', tested.length) },
        },
        steps: asked.alignSteps,
        components: components.map((one, at) => besideSingular(one, subspaces[at]!)),
        ...{ start, kl },
        seconds: (performance.now() - started) / 1000,
      };
      const [file, basisFile] = [run.file('aligned.json'), run.file('aligned.safetensors')];
      // Of each component the directions of its subspace, and then those of the rest.
      const kernels = await loadHostKernels();
      const turned = components.map(({ directions }, at) =>
        inAlignedBasis(directions, subspaces[at]!.rows, kernels),
      );
      await writeSafetensors(basisFile, await basisTensors(turned, subject.model));
      await writeJson(file, alignment);
      return { run, alignment, file, basisFile };
    } finally {
      masked.dispose();
    }
  });
}

/** @throws InputError if the masks are not of a component that is asked for */
function chosenComponents(
  masked: readonly Component[],
  names: readonly string[] | null,
  path: string,
  keptIn: (component: Component) => readonly number[],
): Component[] {
  if (names === null) {
    const most = [...masked].sort((a, b) => keptIn(b).length - keptIn(a).length)[0]!;
    return [most];
  }
  return [...new Set(names)].map((name) => {
    const found = masked.find((component) => component.name === name);
    if (found) return found;
    throw new InputError(
      `--in ${name}: ${path} has no masks of it; its components are called as ${masked[0]!.name}`,
    );
  });
}

/** @throws InputError if a component has no directions that could be turned */
function checkTurnable(components: readonly Component[], { architecture, qkSplit }: Model): void {
  for (const { kind, name } of components)
    if (kind === 'qk' && architecture.rotary && qkSplit.by === 'plane')
      throw new InputError(`--in ${name}: QK split by plane has no directions that could be turned`);
}

/**
 * @param kept places of the circuit's directions
 * @param given dimensions of the subspace; null for as many as the circuit keeps
 * @throws InputError if the component has no subspace of that size
 */
function askedIn(directions: Directions, kept: readonly number[], given: number | null): Asked {
  const { component } = directions;
  const span = spanOf(directions);
  const size = given ?? kept.length;
  if (size < 1 || size >= span)
    throw new InputError(
      `--in ${component.name}: of its ${span} dimensions a subspace has 1 to ${span - 1}, not ${size}; give --size`,
    );
  return { component, directions, size, span, kept };
}
