/** A run's folder, made here or by the command line. */
import { existsSync } from 'node:fs';
import { run } from '../commands/run.js';
import { type Metrics, readMetrics } from '../evaluate/metrics-file.js';
import type { Manifest } from '../formats/manifest.js';
import { modelName } from '../formats/manifest.js';
import { type HistoryLine as FileLine, openRun, type RunFolder } from '../formats/run-folder.js';
import { type Masks, readMasks } from '../masks/masks-file.js';
import type { HistoryLine } from '../masks/train.js';
import type { Listener, LongCall } from '../progress.js';
import { settingsOf } from '../settings/complete.js';
import { subjectSettings } from '../settings/run-settings.js';
import { LanguageModel } from './language-model.js';
import type { OpenOptions, RunOptions } from './options.js';

/** What `run`, `train` or `evaluate` left in a folder (docs/formats.md, "Run folders"). */
export class Run {
  readonly #folder: RunFolder;

  private constructor(folder: RunFolder) {
    this.#folder = folder;
  }

  /**
   * Opens the folder of a run.
   * @throws InputError if it holds none
   * @example
   * import { keptDirections, Run } from 'orthoscope';
   *
   * const run = await Run.open('runs/ioi');
   * const { binarised } = (await run.metrics()).splits.test;
   * console.log(run.manifest.model.id, binarised.kl, keptDirections(await run.masks()).length);
   */
  static async open(folder: string): Promise<Run> {
    return new Run(await openRun(folder));
  }

  /**
   * Does what `orthoscope run` does: decomposes, trains, evaluates and reports, into a folder.
   * @param settings with `resume: true` an interrupted run in `out` goes on
   * @throws InputError if a setting, the model or the prompts are wrong; InterruptedError if the signal fires, after
   *   what is needed to go on was saved
   * @example
   * import { Run } from 'orthoscope';
   *
   * const sizes = { trainPairs: 32, validationPairs: 16, testPairs: 16 };
   * const training = { steps: 3, roundingSteps: 2, controlSeeds: 1 };
   * const run = await Run.make({ model: 'embedded', task: 'ioi', ...sizes, ...training, out: 'runs/short' });
   * console.log(run.path, run.manifest.seconds);
   */
  static async make(settings: RunOptions = {}, listener: Listener = {}): Promise<Run> {
    return new Run((await run(settings, listener)).run);
  }

  /** Its folder. */
  get path(): string {
    return this.#folder.path;
  }

  /** What was run, on what, with what, and how it ended. */
  get manifest(): Manifest {
    return this.#folder.manifest;
  }

  /**
   * Figures of its evaluation, by split.
   * @throws InputError if it was not evaluated
   * @example
   * import { Run } from 'orthoscope';
   *
   * const { splits } = await (await Run.open('runs/ioi')).metrics();
   * console.log(splits.test.binarised.kl, splits.test.binarised.confidence.kl);
   */
  metrics(): Promise<Metrics> {
    return readMetrics(this.#folder.file('metrics.json'));
  }

  /**
   * The masks that it ended with.
   * @throws InputError if it has none, or not yet
   * @example
   * import { Run } from 'orthoscope';
   *
   * const { values } = await (await Run.open('runs/ioi')).masks();
   * console.log(values.get('L0.mlp_out'));
   */
  masks(): Promise<Masks> {
    return readMasks(this.#folder.file('masks.safetensors'));
  }

  /**
   * Masks before the rounding phase, in [0, 1]; null where there was none.
   * @throws InputError if they are damaged
   * @example
   * import { Run } from 'orthoscope';
   *
   * const soft = await (await Run.open('runs/ioi')).softMasks();
   * console.log(soft?.values.get('L0.mlp_out'));
   */
  async softMasks(): Promise<Masks | null> {
    const path = this.#folder.file('checkpoints/soft.safetensors');
    return existsSync(path) ? readMasks(path) : null;
  }

  /**
   * Every step and validation of its training, in order; empty where nothing was trained.
   * @throws InputError naming the line that is damaged
   * @example
   * import { Run } from 'orthoscope';
   *
   * const history = await (await Run.open('runs/ioi')).history();
   * for (const { step, kl } of history.filter(({ validation }) => validation)) console.log(step, kl);
   */
  async history(): Promise<HistoryLine[]> {
    return (await this.#folder.readHistory()) as FileLine[] as unknown as HistoryLine[];
  }

  /**
   * Opens the run's model as the run read it.
   * @param options what is to be otherwise, such as the engine
   * @throws InputError if the model is not where it was; open it from where it lies now, then
   * @example
   * import { readPromptPairs, Run } from 'orthoscope';
   *
   * const run = await Run.open('runs/ioi');
   * const model = await run.openModel();
   * const pairs = model.pairs(await readPromptPairs('pairs.jsonl'));
   * console.log((await model.evaluate(await run.masks(), pairs, { replacement: 'zero', controlSeeds: 0 })).kl);
   * await model.close();
   */
  openModel(options: OpenOptions = {}, call: LongCall = {}): Promise<LanguageModel> {
    const { form, qkSplit, rotaryOffsets, bos } = settingsOf(subjectSettings, this.manifest);
    return LanguageModel.open(
      modelName(this.manifest),
      { form, qkSplit, rotaryOffsets, bos, ...options },
      call,
    );
  }
}
