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
import { evaluateOn } from '../run/evaluation.js';
import { loadMasks } from '../run/masks.js';
import { outFolder } from '../run/out-folder.js';
import { ownSettings } from '../run/own-settings.js';
import { concluding, timed } from '../run/session.js';
import { settlingIn } from '../run/settling.js';
import { checkModel, sourceOf } from '../run/source.js';
import { withSubject } from '../run/subject.js';
import type { Given } from '../settings/commands.js';
import { complete } from '../settings/complete.js';
import { promptSettings, subjectSettings } from '../settings/run-settings.js';
import { SPLITS } from '../tasks/splits.js';

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
export async function evaluate(given: Given<'evaluate'>, listener: Listener = {}): Promise<EvaluateOutcome> {
  const { model, run } = await sourceOf(given.run, given.model);
  const settings = complete('evaluate', given, run ? ownSettings(run, given) : {});
  const { masks, split } = settings;
  if (masks === null) throw new InputError(`${given.run}: is a model; give --masks, a masks.safetensors`);
  const out = outFolder(
    settings,
    'runs',
    `evaluate-${settings.task ?? basename(settings.data ?? '')}`,
    listener,
  );
  return withSubject(model, { ...settings, ...listener }, async (subject) => {
    await checkModel(subject.model, run);
    const { kinds, values, masked, basisName } = await loadMasks(masks, subject.model, settings);
    const name = split ?? 'test';
    // A file by itself is measured whole: there the adversary sees what it is measured on.
    const sees = settings.attack > 0 && (split !== null || settings.task !== null) ? 'train' : name;
    const wanted = split === null ? SPLITS.filter((one) => one === name || one === sees) : SPLITS;
    const loaded = await checkedData(
      subject,
      { ...settings, components: kinds, loss: 'kl' },
      wanted,
      listener,
    );
    const data = someSplits([name, sees], loaded);
    if (run) notePrompts(run, name, data, given, listener);
    // An attack takes gradients, as training does.
    const batchSize = settings.attack > 0 ? settings.attackPairs : 0;
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
      const origin = run && masks === run.file('masks.safetensors') ? run : null;
      const settling = origin && (await settlingIn(origin));
      const measuring = { ...data, measured: name, seen: sees };
      const metrics = await timed(session, 'evaluate', () =>
        evaluateOn(bench, measuring, { values, masked, file: masks, settling }, settings, {
          ...listener,
          onCircuitScores: (pairs, scores) => writePromptScores(session.file('prompts.jsonl'), pairs, scores),
        }),
      );
      const copied = await readFile(masks);
      await writeAtomically(session.file('masks.safetensors'), (file) => file.writeFile(copied));
      await writeJson(session.file('metrics.json'), metrics);
      if (origin) await noteDifferences(origin, session, metrics, listener);
      return { run: session, metrics, report: await writeReport(session.path) };
    }).finally(() => bench.runner.close());
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
