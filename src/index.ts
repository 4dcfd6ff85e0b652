/** The public API: what a program needs to take a model apart. Everything else may change. */
export { type EvaluateOutcome, evaluate } from './commands/evaluate.js';
export { type RunOutcome, run } from './commands/run.js';
export { score } from './commands/score.js';
export { type TrainOutcome, train } from './commands/train.js';
export { type DecomposeOptions, decompose } from './decompose/decompose.js';
export type { Decomposition, Directions } from './decompose/directions.js';
export { DecompositionStore } from './decompose/store.js';
export { type Engine, type EngineChoice, openEngine } from './engine/engine.js';
export { InputError, InterruptedError } from './errors.js';
export {
  evaluateMasks,
  type PairScorer,
  scorerOf,
} from './evaluate/evaluate.js';
export type { Metrics, SplitMetrics } from './evaluate/metrics-file.js';
export { resolveModel } from './formats/model-folder.js';
export { type PromptPair, readPromptPairs, writePromptPairs } from './formats/prompt-pairs.js';
export { encodePairs, type TokenPair } from './formats/token-pairs.js';
export { openTokenizer, type Tokenizer } from './formats/tokenizer.js';
export { type Change, type Intervention, intervene } from './forward/interventions.js';
export { MaskLayout } from './forward/layout.js';
export { MaskedModel } from './forward/masked-model.js';
export type { Replacement } from './forward/masking-rules.js';
export { type NextTokens, nextTokens } from './forward/next-tokens.js';
export { type BlockPlace, type Hook, type Hooks, PlaceReader } from './forward/places.js';
export { type PassOptions, Transformer } from './forward/transformer.js';
export { clusters } from './kernels/thin-svd.js';
export { objective } from './masks/objective.js';
export { trainMasks } from './masks/train.js';
export type { Architecture } from './models/architecture.js';
export { type Component, type Kind, listComponents } from './models/components.js';
export { openModel } from './models/open-model.js';
export { DEFAULT_SPLIT, type QkSplit } from './models/qk-split.js';
export type { Model, WeightForm } from './models/weights.js';
export { PreparedPairs } from './pairs/prepared-pairs.js';
export type { Listener, LongCall, ProgressEvent } from './progress.js';
export type { ScoreOutcome } from './score/scoring.js';
export type { Command, Given, Settings } from './settings/commands.js';
export { complete } from './settings/complete.js';
export { EVALUATE_DEFAULTS } from './settings/run-settings.js';
export { PRESETS, type TrainSettings } from './settings/train-settings.js';
export { generateTask, TASKS } from './tasks/tasks.js';
