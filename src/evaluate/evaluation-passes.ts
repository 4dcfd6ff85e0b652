/** What an evaluation will run, before it does. */
import type { EvaluationPasses } from '../masks/training-cost.js';
import type { AttackSettings } from '../settings/attack-settings.js';
import type { EvaluateSettings } from '../settings/run-settings.js';
import { attackPasses, MEASURED } from './attack-metrics.js';
import { maskVectors } from './evaluate.js';

/** @param pairs that the adversary sees, and that masks are measured on */
export function evaluationPasses(
  settings: AttackSettings & Pick<EvaluateSettings, 'controlSeeds' | 'controlPairs'>,
  masks: Parameters<typeof maskVectors>[1],
  pairs: { seen: number; measured: number },
): EvaluationPasses {
  const { all: scored, controls } = maskVectors(settings.controlSeeds, masks);
  return {
    scored,
    controls: { scored: controls, measured: Math.min(settings.controlPairs, pairs.measured) },
    attack: {
      ...attackPasses(settings),
      seen: Math.min(settings.attackPairs, pairs.seen),
      measured: Math.min(MEASURED * settings.attackPairs, pairs.measured),
    },
  };
}
