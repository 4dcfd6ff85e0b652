/** Changes to one prompt's last token as they are typed: directions to ablate, scale and patch. */
import { InputError } from '../errors.js';
import type { Intervention } from '../forward/interventions.js';
import type { MaskedModel } from '../forward/masked-model.js';
import { chooseDirections } from '../score/chosen-directions.js';
import { directionName, directionsOf, readCoefficients } from './coefficients.js';

export interface TypedChanges {
  /** `L9H6.ov.0-3`. */
  ablate: string | null;
  /** `L9H6.ov.0=2,L5.mlp_out=0.5`. */
  scale: string | null;
  /** `L9H6.ov.0`, for the corrupted prompt, or `L9H6.ov.0=Another prompt`. */
  patch: string | null;
}

/**
 * @param corrupted what `patch` takes coefficients from where it names no prompt
 * @param encode token ids of a prompt
 * @throws InputError if a direction or a prompt is missing, or a factor is no number
 */
export async function typedInterventions(
  running: MaskedModel,
  { ablate, scale, patch }: TypedChanges,
  corrupted: Int32Array | null,
  encode: (prompt: string) => Int32Array,
): Promise<Intervention[]> {
  const components = running.layout.components;
  const found: Intervention[] = [];
  const scaled = (list: string, factor: number) => {
    for (const { component, indices } of chooseDirections(list, components))
      found.push({
        component: component.name,
        directions: indices,
        tokens: 'last',
        change: { scale: factor },
      });
  };
  if (ablate !== null) scaled(ablate, 0);
  for (const item of scale?.split(',') ?? []) {
    const [, name, factor] = /^(.+)=([^=]+)$/.exec(item) ?? [];
    if (name === undefined || !Number.isFinite(Number(factor)))
      throw new InputError(`--scale ${item}: give directions and a factor, such as L9H6.ov.0=2`);
    scaled(name, Number(factor));
  }
  if (patch === null) return found;
  const [, list, other] = /^([^=]+)(?:=(.*))?$/s.exec(patch) ?? [];
  const prompt = other === undefined ? corrupted : encode(other);
  if (!prompt)
    throw new InputError(
      `--patch ${patch}: from which prompt? Give --corrupted, or ${patch}="Another prompt"`,
    );
  const chosen = chooseDirections(list ?? '', components);
  const directions = directionsOf(chosen);
  const [coefficients] = await readCoefficients(running, [prompt], directions, [[prompt.length - 1]]);
  const value = new Map(directions.map((direction, at) => [directionName(direction), coefficients![at]!]));
  for (const { component, indices } of chosen) {
    const { start } = running.layout.of(component);
    const set = (_prompt: number, _token: number, index: number) => {
      const sigma = running.sigma[start + index]!;
      return sigma > 0 ? value.get(`${component.name}.${index}`)! / sigma : 0;
    };
    found.push({ component: component.name, directions: indices, tokens: 'last', change: { set } });
  }
  return found;
}
