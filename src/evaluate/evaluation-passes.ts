/** What an evaluation will run, before it does. */
import type { EvaluationPasses } from '../masks/training-cost.js';
import type { AttackSettings } from '../settings/attack-settings.js';
import { attackPasses, MEASURED } from './attack-metrics.js';
import { maskVectors } from './evaluate.js';

/** @param pairs of the training and of the test split */
export function evaluationPasses(
  settings: AttackSettings & { controlSeeds: number; roundingSteps: number },
  pairs: { train: number; test: number },
): EvaluationPasses {
  const rounds = settings.roundingSteps > 0;
  return {
    scored: maskVectors(settings.controlSeeds, { isBinary: rounds, wasRounded: rounds }),
    attack: {
      ...attackPasses(settings),
      seen: Math.min(settings.attackPairs, pairs.train),
      measured: Math.min(MEASURED * settings.attackPairs, pairs.test),
    },
  };
}
