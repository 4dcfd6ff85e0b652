/** `evaluate`: measures masks on prompts, into a folder of its own. */
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { InputError } from '../errors.js';
import type { Metrics } from '../evaluate/metrics-file.js';
import { writePromptScores } from '../evaluate/prompts-file.js';
import { writeReport } from '../explorer/write-report.js';
import { writeAtomically, writeJson } from '../formats/atomic-file.js';
import type { RunFolder } from '../formats/run-folder.js';
import type { Listener } from '../progress.js';
import { differences } from '../report/measured.js';
import { begin, checkedData } from '../run/begin.js';
import { type RunData, someSplits } from '../run/data.js';
import { estimateWork, type RunEstimate } from '../run/estimate.js';
import { evaluateOn } from '../run/evaluation.js';
import { type LoadedMasks, loadMasks } from '../run/masks.js';
import { outFolder } from '../run/out-folder.js';
import { ownSettings } from '../run/own-settings.js';
import { concluding, timed } from '../run/session.js';
import { settlingIn } from '../run/settling.js';
import { checkModel, sourceOf } from '../run/source.js';
import { type Subject, withSubject } from '../run/subject.js';
import type { Given, Settings } from '../settings/commands.js';
import { complete } from '../settings/complete.js';
import { promptSettings, subjectSettings } from '../settings/run-settings.js';
import { SPLITS, type Split } from '../tasks/splits.js';

export interface EvaluateOutcome {
  run: RunFolder;
  metrics: Metrics;
  /** Path of the report page. */
  report: string;
}

/**
 * Evaluates a run's masks anew, as it was made but for what is given; or a masks file that goes with a model.
 * @example
 * const { metrics } = await evaluate({ run: 'runs/ioi', replacement: 'mean' });
 * const other = await evaluate({ run: 'gpt2', masks: 'masks.safetensors', data: 'pairs.jsonl' });
 */
export function evaluate(given: Given<'evaluate'>, listener: Listener = {}): Promise<EvaluateOutcome> {
  return withAsked(given, listener, async (subject, asked) => {
    const { settings, run, file, loaded, data, measured, seen, batchSize } = asked;
    const { kinds, values, masked, basisName } = loaded;
    const out = outFolder(
      settings,
      'runs',
      `evaluate-${settings.task ?? basename(settings.data ?? '')}`,
      listener,
    );
    const beginning = {
      command: 'evaluate' as const,
      settings,
      data,
      components: kinds,
      batchSize,
      basisName,
    };
    const { session, bench } = await begin(subject, { ...beginning, out, resume: false }, listener);
    return concluding(session, async () => {
      // How masks of a file by itself were trained is not known.
      const origin = run && file === run.file('masks.safetensors') ? run : null;
      const settling = origin && (await settlingIn(origin));
      const metrics = await timed(session, 'evaluate', () =>
        evaluateOn(bench, { ...data, measured, seen }, { values, masked, file, settling }, settings, {
          ...listener,
          onCircuitScores: (pairs, scores) => writePromptScores(session.file('prompts.jsonl'), pairs, scores),
        }),
      );
      const copied = await readFile(file);
      await writeAtomically(session.file('masks.safetensors'), (target) => target.writeFile(copied));
      await writeJson(session.file('metrics.json'), metrics);
      if (origin) await noteDifferences(origin, session, metrics, listener);
      return { run: session, metrics, report: await writeReport(session.path) };
    }).finally(() => bench.runner.close());
  });
}

/** What {@link evaluate} would do and take. */
export function estimateEvaluate(given: Given<'evaluate'>, listener: Listener = {}): Promise<RunEstimate> {
  return withAsked(given, listener, (subject, { settings, loaded, data, measured, seen, batchSize }) => {
    const isBinary = loaded.values.every((mask) => mask === 0 || mask === 1);
    const evaluation = { settings, measured, seen, masks: { isBinary, wasRounded: false } };
    const work = { data, components: loaded.kinds, batchSize, training: null, evaluation };
    return estimateWork(subject, work, { ...settings, ...listener });
  });
}

/** What is to be evaluated, opened and checked. */
interface Asked {
  settings: Settings<'evaluate'>;
  run: RunFolder | null;
  /** The masks. */
  file: string;
  loaded: LoadedMasks;
  data: RunData;
  measured: Split;
  /** What an adversary sees. */
  seen: Split;
  /** Pairs that gradients are taken of at once; 0 where none are. */
  batchSize: number;
}

/** Opens what is asked for, for `work`, and closes the model's files afterwards. */
async function withAsked<T>(
  given: Given<'evaluate'>,
  listener: Listener,
  work: (subject: Subject, asked: Asked) => Promise<T>,
): Promise<T> {
  const { model, run } = await sourceOf(given.run, given.model);
  const settings = complete('evaluate', given, run ? ownSettings(run, given) : {});
  const { masks: file, split } = settings;
  if (file === null) throw new InputError(`${given.run}: is a model; give --masks, a masks.safetensors`);
  return withSubject(model, { ...settings, ...listener }, async (subject) => {
    await checkModel(subject.model, run);
    const loaded = await loadMasks(file, subject.model, settings);
    const measured = split ?? 'test';
    // A file by itself is measured whole: there the adversary sees what it is measured on.
    const seen = settings.attack > 0 && (split !== null || settings.task !== null) ? 'train' : measured;
    const wanted = split === null ? SPLITS.filter((one) => one === measured || one === seen) : SPLITS;
    const request = { ...settings, components: loaded.kinds, loss: 'kl' as const };
    const data = someSplits([measured, seen], await checkedData(subject, request, wanted, listener));
    if (run) notePrompts(run, measured, data, given, listener);
    // An attack takes gradients, as training does.
    const batchSize = settings.attack > 0 ? settings.attackPairs : 0;
    return work(subject, { settings, run, file, loaded, data, measured, seen, batchSize });
  });
}

/** Says so where masks were measured otherwise than their run was made; on the page, and to the listener. */
async function noteDifferences(
  origin: RunFolder,
  session: RunFolder,
  metrics: Metrics,
  { onNote }: Listener,
): Promise<void> {
  const others = differences(metrics, origin.manifest);
  if (others.length === 0) return;
  const note = `masks of the run ${basename(origin.path)}, measured otherwise than it was made: ${others.join('; ')}`;
  onNote?.(note);
  await session.update({ notes: [...(session.manifest.notes ?? []), note] });
}

/** Settings that decide which prompts there are, as token ids. */
const OF_PROMPTS = [...Object.keys(promptSettings), ...Object.keys(subjectSettings), 'split', 'positions'];

/**
 * Says so where prompts are those that the masks were trained on.
 * @throws InputError if they should be the run's own and are not
 */
function notePrompts(
  { path, manifest }: RunFolder,
  split: string,
  { described }: RunData,
  given: Given<'evaluate'>,
  { onNote }: Listener,
): void {
  const { hash } = described[split]!;
  const own = manifest.data[split];
  const others = OF_PROMPTS.some((key) => given[key as keyof typeof given] !== undefined);
  if (!others && own && own.hash !== hash)
    throw new InputError(
      `${path}: ${own.source} does not give the prompts any more that it was made with; name others with --data`,
    );
  if (manifest.data.train?.hash === hash && split !== 'train')
    onNote?.(`${path}: has no test prompts; measured on those that its masks were trained on`);
}
