/**
 * Swaps directions at each prompt's last token: their coefficients become what they are, in the mean, on prompts whose
 * answer is what this prompt speaks against (`intervene --change opposite`).
 */
import { InputError } from '../errors.js';
import type { TokenPair } from '../formats/token-pairs.js';
import { type Intervention, intervene } from '../forward/interventions.js';
import type { MaskedModel } from '../forward/masked-model.js';
import type { Changes } from '../masks/last-logits.js';
import type { LongCall } from '../progress.js';
import { readTargets } from './change.js';
import { type Direction, directionName } from './coefficients.js';

/**
 * @param estimation pairs that means are taken over: none that are tested
 * @returns for passes over some of `pairs`, by their places
 * @throws InputError if no pair to estimate from has the answer that one of `pairs` speaks against
 */
export async function swapping(
  running: MaskedModel,
  directions: readonly Direction[],
  pairs: readonly TokenPair[],
  estimation: readonly TokenPair[],
  call: LongCall = {},
): Promise<Changes> {
  const answers = new Set(estimation.flatMap(({ answers }) => [...answers]));
  const alone = pairs.find(({ distractors }) => !distractors.some((token) => answers.has(token)));
  if (alone)
    throw new InputError(
      `a swap puts in what directions are on training prompts with the other answer; there are none for prompt "${alone.id}"`,
    );
  const last = ({ clean }: TokenPair) => [clean.length - 1];
  const asked = { pairs, tokens: pairs.map(last), choose: last, estimation };
  const target = await readTargets(running, { kind: 'opposite', value: 0 }, asked, directions, call);
  const places = new Map(directions.map((direction, at) => [directionName(direction), at]));
  const components = new Set(directions.map(({ component }) => component));
  return (indices) => {
    const interventions = [...components].map((component): Intervention => {
      const own = directions.filter((direction) => direction.component === component);
      const { start } = running.layout.of(component);
      const set = (prompt: number, _token: number, index: number) => {
        const sigma = running.sigma[start + index]!;
        const at = places.get(`${component.name}.${index}`)!;
        return sigma > 0 ? target(indices[prompt]!, 0, at) / sigma : 0;
      };
      return {
        component: component.name,
        directions: own.map(({ index }) => index),
        tokens: 'last',
        change: { set },
      };
    });
    return intervene(
      running,
      indices.map((index) => pairs[index]!.clean),
      interventions,
    );
  };
}
