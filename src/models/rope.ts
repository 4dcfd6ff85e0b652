/** Rotary positions as a Hugging Face config describes them: base, scaling variant, share of each head that turns. */
import { InputError } from '../errors.js';
import { isRecord } from '../formats/json-file.js';
import type { ModelConfig } from './adapter.js';
import type { Rotary } from './architecture.js';
import { ConfigFields } from './config-fields.js';

export interface RopeOptions {
  /** Leading dimensions of each head that turn. */
  dims: number;
  /** Angle per position of the slowest pairs follows from it; `rope_theta` of the config, or the family's default. */
  base: number;
  /** `rope_scaling` (or its successor `rope_parameters`); absent or null: none. */
  scaling: unknown;
  /** `max_position_embeddings`. */
  positions: number;
  /** The config's path, for messages. */
  where: string;
}

/**
 * Frequencies after scaling, as `transformers` computes them for its rope types default, linear, llama3 and yarn.
 * @throws InputError for other types: dynamic and longrope change with the prompt's length, so that no single
 * family of rotations is the model's
 */
export function ropeOf({ dims, base, scaling, positions, where }: RopeOptions): Rotary {
  if (dims % 2 !== 0 || dims <= 0)
    throw new InputError(`${where}: ${dims} dimensions of each head turn; it must be an even number of them`);
  const plain = Array.from({ length: dims / 2 }, (_, i) => base ** ((-2 * i) / dims));
  const unscaled = { dims, frequencies: plain, scale: 1 };
  if (scaling === undefined || scaling === null) return unscaled;
  if (!isRecord(scaling)) throw new InputError(`${where}: "rope_scaling" must be an object or null`);
  const fields = new ConfigFields(scaling, `${where}, "rope_scaling"`);
  const type = scaling.rope_type ?? scaling.type ?? 'default';
  switch (type) {
    case 'default':
      return unscaled;
    case 'linear': {
      const factor = fields.number('factor');
      return { ...unscaled, frequencies: plain.map((frequency) => frequency / factor) };
    }
    case 'llama3':
      return { ...unscaled, frequencies: llama3(plain, fields) };
    case 'yarn':
      return yarn(unscaled, base, positions, scaling, fields);
    default:
      throw new InputError(
        `${where}: "rope_scaling" has type ${JSON.stringify(type)}; default, linear, llama3 and yarn can be read` +
          (type === 'dynamic' || type === 'longrope'
            ? ', this one turns differently with the length of a prompt'
            : ''),
      );
  }
}

/** Long waves are slowed down by a factor, short ones are not, and those between are blended (Llama 3.1). */
function llama3(plain: number[], fields: ConfigFields): number[] {
  const factor = fields.number('factor');
  const low = fields.number('low_freq_factor');
  const high = fields.number('high_freq_factor');
  const context = fields.number('original_max_position_embeddings');
  return plain.map((frequency) => {
    const wavelength = (2 * Math.PI) / frequency;
    if (wavelength < context / high) return frequency;
    if (wavelength > context / low) return frequency / factor;
    const blend = (context / wavelength - low) / (high - low);
    return (1 - blend) * (frequency / factor) + blend * frequency;
  });
}

/** Peng et al. 2023, arXiv 2309.00071: a ramp over pairs between slowed and plain frequencies, and larger scores. */
function yarn(
  { dims, frequencies }: Rotary,
  base: number,
  positions: number,
  scaling: ModelConfig,
  fields: ConfigFields,
): Rotary {
  const factor = fields.number('factor');
  const context = fields.number('original_max_position_embeddings', positions);
  const truncate = fields.flag('truncate', true);
  /** The pair that makes so many turns within the original context. */
  const pairTurning = (turns: number) =>
    (dims * Math.log(context / (turns * 2 * Math.PI))) / (2 * Math.log(base));
  const [fast, slow] = [
    pairTurning(fields.number('beta_fast', 32)),
    pairTurning(fields.number('beta_slow', 1)),
  ];
  const from = Math.max(truncate ? Math.floor(fast) : fast, 0);
  const end = Math.min(truncate ? Math.ceil(slow) : slow, dims - 1);
  const to = end === from ? end + 0.001 : end;
  return {
    dims,
    frequencies: frequencies.map((frequency, i) => {
      const slowed = Math.min(1, Math.max(0, (i - from) / (to - from)));
      return (frequency / factor) * slowed + frequency * (1 - slowed);
    }),
    scale: yarnScale(factor, scaling, fields),
  };
}

function yarnScale(factor: number, scaling: ModelConfig, fields: ConfigFields): number {
  if (scaling.attention_factor !== undefined && scaling.attention_factor !== null)
    return fields.number('attention_factor');
  const grown = (by: number) => (factor <= 1 ? 1 : 0.1 * by * Math.log(factor) + 1);
  if (scaling.mscale && scaling.mscale_all_dim)
    return grown(fields.number('mscale')) / grown(fields.number('mscale_all_dim'));
  return grown(1);
}
