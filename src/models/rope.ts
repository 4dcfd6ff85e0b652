/** Rotary positions as a Hugging Face config describes them: base, scaling variant, share of each head that turns. */
import { InputError } from '../errors.js';
import { isRecord } from '../formats/json-file.js';
import type { ModelConfig } from './adapter.js';
import type { Rotary } from './architecture.js';
import { ConfigFields } from './config-fields.js';

export interface RopeOptions {
  /** Leading dimensions of each head that turn. */
  dims: number;
  /** Base of the angles where the config names none. */
  base: number;
  /** `max_position_embeddings`. */
  positions: number;
  /** The config's path, for messages. */
  where: string;
}

/** Layers of one type may turn by settings of their own (Gemma 3). */
export type LayerType = 'full_attention' | 'sliding_attention';

/**
 * Frequencies after scaling, as `transformers` computes them for its rope types default, linear, llama3 and yarn.
 * @throws InputError for other types: dynamic and longrope change with the prompt's length, so that no single
 * family of rotations is the model's
 */
export function ropeOf(
  config: ModelConfig,
  options: RopeOptions,
  type: LayerType = 'full_attention',
): Rotary {
  const { where, base } = options;
  const { field, settings } = ropeSettings(config, where, type);
  const at = field === null ? where : `${where}, "${field}"`;
  return scaled(settings, new ConfigFields({ ...config, ...settings }, at).number('rope_theta', base), {
    ...options,
    where: at,
  });
}

/** The share of each head that turns: `fallback` where the config does not say. */
export function rotaryShare(config: ModelConfig, where: string, fallback: number): number {
  const { settings } = ropeSettings(config, where, 'full_attention');
  return new ConfigFields({ ...config, ...settings }, where).number('partial_rotary_factor', fallback);
}

/** Whether the config gives settings for each type of layer. */
export function ropeByLayerType({ rope_parameters: settings }: ModelConfig): boolean {
  return isRecord(settings) && isRecord(settings.sliding_attention);
}

/** Scaling settings: `rope_scaling`, which newer configs call `rope_parameters` and keep the base in, too. */
function ropeSettings(
  config: ModelConfig,
  where: string,
  type: LayerType,
): { field: string | null; settings: ModelConfig } {
  const field = ['rope_scaling', 'rope_parameters'].find(
    (name) => config[name] !== undefined && config[name] !== null,
  );
  if (field === undefined) return { field: null, settings: {} };
  const settings = ropeByLayerType(config) ? (config[field] as ModelConfig)[type] : config[field];
  if (!isRecord(settings)) throw new InputError(`${where}: "${field}" must be an object or null`);
  return { field, settings };
}

function scaled(scaling: ModelConfig, base: number, { dims, positions, where }: RopeOptions): Rotary {
  if (dims % 2 !== 0 || dims <= 0)
    throw new InputError(`${where}: ${dims} dimensions of each head turn; it must be an even number of them`);
  const frequencies = Array.from({ length: dims / 2 }, (_, i) => base ** ((-2 * i) / dims));
  const plain = { dims, frequencies, scale: 1 };
  const fields = new ConfigFields(scaling, where);
  const type = scaling.rope_type ?? scaling.type ?? 'default';
  switch (type) {
    case 'default':
      return plain;
    case 'linear': {
      const factor = fields.number('factor');
      return { ...plain, frequencies: frequencies.map((frequency) => frequency / factor) };
    }
    case 'llama3':
      return { ...plain, frequencies: llama3(frequencies, fields) };
    case 'yarn':
      return yarn(plain, base, positions, scaling, fields);
    default:
      throw new InputError(
        `${where}: the type is ${JSON.stringify(type)}; default, linear, llama3 and yarn can be read` +
          (type === 'dynamic' || type === 'longrope'
            ? '; this one turns differently with the length of a prompt'
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
