/** Evaluates masks on splits. */
import { type EvaluateSettings, evaluateMasks } from '../evaluate/evaluate.js';
import type { Metrics } from '../evaluate/metrics-file.js';
import type { CircuitScores } from '../evaluate/prompt-scores.js';
import type { TokenPair } from '../formats/token-pairs.js';
import type { Replacement } from '../forward/masking-rules.js';
import type { LongCall } from '../progress.js';
import type { Workbench } from './workbench.js';

export interface EvaluationSettings extends EvaluateSettings {
  replacement: Replacement;
  seed: number;
  /** Soft masks that a rounding phase turned into the masks. */
  beforeRounding?: Float32Array;
}

export interface EvaluationCall extends LongCall {
  /** Called for each split with what the circuit does on each of its pairs. */
  onCircuitScores?: (pairs: readonly TokenPair[], scores: CircuitScores) => Promise<void> | void;
}

/** @param masks flat vector in the layout of the workbench's masked kinds */
export async function evaluateSplits(
  { runner }: Workbench,
  splits: Record<string, readonly TokenPair[]>,
  masks: Float32Array,
  settings: EvaluationSettings,
  { onCircuitScores, ...call }: EvaluationCall,
): Promise<Metrics> {
  const metrics: Metrics = { schema_version: 2, threshold: settings.threshold, splits: {} };
  for (const [split, pairs] of Object.entries(splits)) {
    const prepared = await runner.prepare(pairs, { ...settings, ...call });
    const { layout, sigma } = runner;
    metrics.splits[split] = await evaluateMasks({ ...prepared, layout, sigma }, masks, settings, {
      ...call,
      onCircuitScores: (scores) => onCircuitScores?.(pairs, scores),
    });
  }
  return metrics;
}
