/**
 * The library: what a script imports from `orthoscope`. docs/api.md is made of these exports and their comments, under
 * the headings below; everything else may change from version to version.
 */

// # Open a model: read it, run it, mask it

export type { Direction, PromptCoefficients, TokenLogit, TokensWritten } from './library/directions.js';
export type {
  CoefficientChange,
  ForwardOptions,
  ForwardResult,
  NextToken,
  Place,
  PlaceReplacement,
  PlaceValue,
} from './library/forward.js';
export { LanguageModel, type TrainedMasks } from './library/language-model.js';
export type {
  EvaluateOptions,
  MaskingOptions,
  OpenOptions,
  PromptOptions,
  PromptSplits,
  RunOptions,
  ScoreOptions,
  TrainCall,
  TrainOptions,
} from './library/options.js';

// # Masks

export {
  type AttackOptions,
  type AttackResult,
  type Evaluation,
  MaskedPrompts,
  type MaskLoss,
  type MaskValues,
  type MissedDirection,
} from './library/masked-prompts.js';
export { type KeptDirection, keptDirections } from './library/masks.js';
export { type Masks, type MasksMetadata, readMasks, writeMasks } from './masks/masks-file.js';

// # Folders of runs and of scores

export { Run } from './library/run.js';
export { Scores } from './library/scores.js';

// # Prompt pairs

export {
  type PairRecord,
  type PromptPair,
  readPromptPairs,
  writePromptPairs,
} from './formats/prompt-pairs.js';
export type { TokenPair } from './formats/token-pairs.js';

// # Models

export type { BlockPlace } from './forward/places.js';
export type { Architecture } from './models/architecture.js';
export type { Component, Kind } from './models/components.js';

// # Figures

export type { AttackFigures } from './evaluate/attack-figures.js';
export type { Metrics, SplitMetrics } from './evaluate/metrics-file.js';
export type { PromptScores } from './evaluate/prompt-scores.js';
export type { Manifest } from './formats/manifest.js';
export type { HistoryLine } from './masks/train.js';
export type { RankedDataSet } from './score/read-tables.js';
export type { DirectionRow, ExampleRow } from './score/tables.js';

// # Errors and progress

export { InputError, InterruptedError } from './errors.js';
export type { Listener, LongCall, ProgressEvent } from './progress.js';
