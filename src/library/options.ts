/** What calls of the library may be given: the command line's settings, by the names that they have in programs. */
import type { TokenPair } from '../formats/token-pairs.js';
import type { Masks } from '../masks/masks-file.js';
import type { HistoryLine } from '../masks/train.js';
import type { LongCall } from '../progress.js';
import type { Given, Settings } from '../settings/commands.js';
import type { EvaluateSettings } from '../settings/run-settings.js';
import type { TrainSettings } from '../settings/train-settings.js';

type RunSettings = Settings<'run'>;

/** What `orthoscope run` takes; docs/settings.md says which are taken together. */
export type RunOptions = Given<'run'>;

/** What `orthoscope score` takes. */
export type ScoreOptions = Given<'score'>;

/** How a model is read, and on what it runs; docs/settings.md, "Model" and "Machine", says what each means. */
export type OpenOptions = Partial<
  Pick<
    RunSettings,
    'form' | 'qkSplit' | 'rotaryOffsets' | 'bos' | 'engine' | 'workers' | 'memory' | 'store' | 'storeDtype'
  >
>;

/** Which prompt pairs: a task, or files; docs/settings.md, "Prompts". */
export type PromptOptions = Partial<
  Pick<
    RunSettings,
    | 'task'
    | 'corruption'
    | 'templates'
    | 'data'
    | 'validation'
    | 'test'
    | 'trainPairs'
    | 'validationPairs'
    | 'testPairs'
    | 'seed'
    | 'positions'
  >
>;

/** Where masks act and what takes the place of what they leave out; docs/settings.md, "Masks". */
export type MaskingOptions = Partial<
  Pick<RunSettings, 'positions' | 'replacement' | 'basis' | 'basisSeed' | 'basisFile' | 'seed'>
>;

/** How masks are trained; docs/settings.md, "Masks" and "Training". */
export type TrainOptions = MaskingOptions &
  Partial<Pick<RunSettings, 'components' | 'preset' | keyof TrainSettings>>;

/** How masks are measured; docs/settings.md, "Evaluation". */
export interface EvaluateOptions extends MaskingOptions, Partial<EvaluateSettings> {
  /** Soft masks that a rounding phase turned into those that are measured; they are measured as well. */
  beforeRounding?: Masks;
}

/** What training reports while it goes on. */
export interface TrainCall extends LongCall {
  /** Called after every step and every validation; training waits for what it returns. */
  onStep?: (step: HistoryLine) => Promise<void> | void;
}

/** Prompt pairs of three splits, as {@link LanguageModel.prompts} gives them. */
export interface PromptSplits {
  /** The task's name, or the file's. */
  name: string;
  /** What masks are learned on. */
  train: TokenPair[];
  /** What decides which of the learned masks are kept. */
  validation: TokenPair[];
  /** What a circuit is measured on. */
  test: TokenPair[];
}
