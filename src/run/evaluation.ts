/** Evaluates masks on a split, and notes what they were measured on. */

import { attackMetrics, MEASURED } from '../evaluate/attack-metrics.js';
import type { Circuit } from '../evaluate/controls.js';
import { evaluateMasks } from '../evaluate/evaluate.js';
import type { Coverage, Metrics, Settling } from '../evaluate/metrics-file.js';
import type { CircuitScores } from '../evaluate/prompt-scores.js';
import { evenly } from '../evaluate/some-pairs.js';
import { hashFile } from '../formats/file-hash.js';
import type { TokenPair } from '../formats/token-pairs.js';
import type { Positions, Replacement } from '../forward/masking-rules.js';
import { type Component, type Kind, kindsOf, listComponents, type Ranks } from '../models/components.js';
import type { Model } from '../models/weights.js';
import type { LongCall } from '../progress.js';
import type { AttackSettings } from '../settings/attack-settings.js';
import type { EvaluateSettings } from '../settings/run-settings.js';
import type { Split } from '../tasks/splits.js';
import type { RunData } from './data.js';
import type { RunnablePairs } from './mask-runner.js';
import type { Workbench } from './workbench.js';

export interface EvaluationSettings extends EvaluateSettings, AttackSettings {
  replacement: Replacement;
  /** As the workbench masks them. */
  positions: Positions;
  seed: number;
}

export interface EvaluatedMasks {
  /** Flat vector in the layout of the workbench's masked kinds. */
  values: Float32Array;
  /** The components that they mask; all of the layout's where absent. */
  masked?: readonly Component[];
  /** The file that holds them. */
  file: string;
  /** Soft masks that a rounding phase turned into these. */
  beforeRounding?: Float32Array;
  /** How their training ended; null where that is not known. */
  settling: Settling | null;
}

export interface EvaluationCall extends LongCall {
  /** Called with what the circuit does on each of the measured pairs. */
  onCircuitScores?: (pairs: readonly TokenPair[], scores: CircuitScores) => Promise<void> | void;
}

/**
 * Measures masks on one split, and then what an adversary makes of the circuit there.
 * @param data.measured the split
 * @param data.seen the split that the adversary sees
 */
export async function evaluateOn(
  bench: Workbench,
  {
    measured,
    seen,
    splits,
    described,
  }: Pick<RunData, 'splits' | 'described'> & Record<'measured' | 'seen', Split>,
  { values, masked = bench.runner.layout.components, file, beforeRounding, settling }: EvaluatedMasks,
  settings: EvaluationSettings,
  { onCircuitScores, ...call }: EvaluationCall,
): Promise<Metrics> {
  const { runner, subject } = bench;
  const { model, source } = subject;
  const { positions, replacement, threshold, seed, controlSeeds, level, resamples } = settings;
  const pairs = splits[measured]!;
  const prepared = await runner.prepare(pairs, { ...settings, ...call });
  const attack = async (circuit: Circuit, call: LongCall) => {
    const { source, hash } = described[seen]!;
    const shown = splits[seen]!.slice(0, settings.attackPairs);
    const seenPairs = await runner.prepare(shown, { ...settings, ...call });
    // With more pairs, measuring the attack would take longer than the attack.
    const most = MEASURED * settings.attackPairs;
    const measuring = pairs.length <= most ? prepared : prepared.some(evenly([...pairs.keys()], most));
    const [attacked, judged] = [heardPairs(seenPairs, call), heardPairs(measuring, call)];
    const figures = await attackMetrics(attacked, judged, circuit, settings, call);
    return { ...figures, seen: { split: seen, source, hash, pairs: attacked.length } };
  };
  const { layout, sigma } = runner;
  const figures = await evaluateMasks(
    { ...prepared, layout, sigma, masked },
    values,
    { ...settings, beforeRounding },
    {
      ...call,
      onCircuitScores: (scores) => onCircuitScores?.(pairs, scores),
      ...(settings.attack > 0 && { attack }),
    },
  );
  const { source: origin, hash } = described[measured]!;
  return {
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
    coverage: coverageOf(model, masked, bench.decomposition.ranks),
    settling,
    splits: { [measured]: { source: origin, hash, ...figures } },
  };
}

/** Pairs, whatever is asked of which stops when the signal fires. */
function heardPairs({ length, kl, score, scoreEach, objective }: RunnablePairs, { signal }: LongCall) {
  return {
    length,
    kl: (masks: Float32Array) => kl(masks, { signal }),
    score: (masks: Float32Array) => score(masks, { signal }),
    scoreEach: (all: readonly Float32Array[]) => scoreEach(all, { signal }),
    gradient: (indices: readonly number[], masks: Float32Array) =>
      objective(indices, masks, 'kl', { signal }),
  };
}

function coverageOf(
  { architecture, qkSplit }: Model,
  masked: readonly Component[],
  ranks: Ranks | undefined,
): Metrics['coverage'] {
  const names = new Set(masked.map(({ name }) => name));
  return Object.fromEntries(
    kindsOf(architecture).map((kind): [Kind, Coverage] => {
      const components = listComponents(architecture, [kind], qkSplit, ranks);
      const whole = components.filter(({ name }) => !names.has(name));
      return [
        kind,
        {
          components: components.length,
          masked: components.length - whole.length,
          whole_directions: whole.reduce((sum, { rank }) => sum + rank, 0),
        },
      ];
    }),
  );
}
