/** What an evaluation will run, before it does. */
import type { EvaluationPasses } from '../masks/training-cost.js';
import type { AttackSettings } from '../settings/attack-settings.js';
import { attackPasses, MEASURED } from './attack-metrics.js';
import { maskVectors } from './evaluate.js';

/** @param pairs that the adversary sees, and that masks are measured on */
export function evaluationPasses(
  settings: AttackSettings & { controlSeeds: number },
  masks: Parameters<typeof maskVectors>[1],
  pairs: { seen: number; measured: number },
): EvaluationPasses {
  return {
    scored: maskVectors(settings.controlSeeds, masks),
    attack: {
      ...attackPasses(settings),
      seen: Math.min(settings.attackPairs, pairs.seen),
      measured: Math.min(MEASURED * settings.attackPairs, pairs.measured),
    },
  };
}
