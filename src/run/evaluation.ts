/** Evaluates masks on splits, and notes what they were measured on. */
import { type EvaluateSettings, evaluateMasks } from '../evaluate/evaluate.js';
import type { Metrics } from '../evaluate/metrics-file.js';
import type { CircuitScores } from '../evaluate/prompt-scores.js';
import { hashFile } from '../formats/file-hash.js';
import type { TokenPair } from '../formats/token-pairs.js';
import type { Positions, Replacement } from '../forward/masking-rules.js';
import type { LongCall } from '../progress.js';
import type { RunData } from './data.js';
import type { Workbench } from './workbench.js';

export interface EvaluationSettings extends EvaluateSettings {
  replacement: Replacement;
  /** As the workbench masks them. */
  positions: Positions;
  seed: number;
}

export interface EvaluatedMasks {
  /** Flat vector in the layout of the workbench's masked kinds. */
  values: Float32Array;
  /** The file that holds them. */
  file: string;
  /** Soft masks that a rounding phase turned into these. */
  beforeRounding?: Float32Array;
}

export interface EvaluationCall extends LongCall {
  /** Called for each split with what the circuit does on each of its pairs. */
  onCircuitScores?: (pairs: readonly TokenPair[], scores: CircuitScores) => Promise<void> | void;
}

/** Measures masks on every split of the data. */
export async function evaluateSplits(
  { runner, subject: { model, source } }: Workbench,
  { splits, described }: Pick<RunData, 'splits' | 'described'>,
  { values, file, beforeRounding }: EvaluatedMasks,
  settings: EvaluationSettings,
  { onCircuitScores, ...call }: EvaluationCall,
): Promise<Metrics> {
  const { positions, replacement, threshold, seed, controlSeeds, level, resamples } = settings;
  const metrics: Metrics = {
    schema_version: 2,
    measured: {
      model: { id: source.id, hash: await model.hash() },
      weight_form: model.form,
      masks: await hashFile(file),
      positions,
      replacement,
      threshold,
      seed,
      control_seeds: controlSeeds,
      level,
      resamples,
    },
    splits: {},
  };
  for (const [split, pairs] of Object.entries(splits)) {
    const prepared = await runner.prepare(pairs, { ...settings, ...call });
    const { layout, sigma } = runner;
    const { source: origin, hash } = described[split]!;
    metrics.splits[split] = {
      source: origin,
      hash,
      ...(await evaluateMasks(
        { ...prepared, layout, sigma },
        values,
        { ...settings, beforeRounding },
        { ...call, onCircuitScores: (scores) => onCircuitScores?.(pairs, scores) },
      )),
    };
  }
  return metrics;
}
