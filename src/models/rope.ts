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

export interface Rope {
  rotary: Rotary;
  /** Longest prompt that turns so, in tokens. */
  positions: number;
}

/** What transformers itself takes for another type. */
const TYPE_NAMES: Record<string, string> = {
  // Three equal position ids, as text has them, turn as one.
  mrope: 'default',
  su: 'longrope',
};

/**
 * Frequencies after scaling, as `transformers` computes them for its rope types default, linear, llama3 and yarn, and
 * for dynamic and longrope up to the length of prompt from which on they depend on it.
 * @throws InputError for other types
 */
export function ropeOf(config: ModelConfig, options: RopeOptions, type: LayerType = 'full_attention'): Rope {
  const { where, base } = options;
  const { field, settings } = ropeSettings(config, where, type);
  const at = field === null ? where : `${where}, "${field}"`;
  const theta = settings.rope_theta ?? config.rope_theta;
  const own: ModelConfig = { ...settings, rope_theta: theta };
  // Outside the settings it counts more than inside them, and is transformers 4's only place for it.
  if (config.original_max_position_embeddings !== undefined)
    own.original_max_position_embeddings = config.original_max_position_embeddings;
  return scaled(own, new ConfigFields(own, at).number('rope_theta', base), { ...options, where: at });
}

/** The share of each head that turns: `fallback` where the config does not say. */
export function rotaryShare(config: ModelConfig, where: string, fallback: number): number {
  const { settings } = ropeSettings(config, where, 'full_attention');
  const share = settings.partial_rotary_factor ?? config.partial_rotary_factor;
  return new ConfigFields({ partial_rotary_factor: share }, where).number('partial_rotary_factor', fallback);
}

/** A layer that does not turn (SmolLM3): every angle is 0. */
export function withoutTurning({ dims, frequencies }: Rotary): Rotary {
  return { dims, frequencies: frequencies.map(() => 0), scale: 1 };
}

/** Whether the config gives settings for each type of layer. */
export function ropeByLayerType({ rope_parameters: settings }: ModelConfig): boolean {
  return isRecord(settings) && (isRecord(settings.sliding_attention) || isRecord(settings.full_attention));
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
  const byType = field === 'rope_parameters' && ropeByLayerType(config);
  const settings = byType ? ((config[field] as ModelConfig)[type] ?? {}) : config[field];
  if (!isRecord(settings)) throw new InputError(`${where}: "${field}" must be an object or null`);
  return { field, settings };
}

function scaled(scaling: ModelConfig, base: number, { dims, positions, where }: RopeOptions): Rope {
  if (dims % 2 !== 0 || dims <= 0)
    throw new InputError(`${where}: ${dims} dimensions of each head turn; it must be an even number of them`);
  const frequencies = Array.from({ length: dims / 2 }, (_, i) => base ** ((-2 * i) / dims));
  const plain = { dims, frequencies, scale: 1 };
  const fields = new ConfigFields(scaling, where);
  const found = scaling.rope_type ?? scaling.type ?? 'default';
  switch (typeOf(found, scaling)) {
    case 'default':
      return { rotary: plain, positions };
    case 'linear': {
      const factor = fields.number('factor');
      return {
        rotary: { ...plain, frequencies: frequencies.map((frequency) => frequency / factor) },
        positions,
      };
    }
    case 'llama3':
      return { rotary: { ...plain, frequencies: llama3(frequencies, positions, fields) }, positions };
    case 'yarn':
      return { rotary: yarn(plain, base, positions, scaling, fields), positions };
    case 'dynamic':
      // Another variant under the same name slows down from the first token on.
      if (scaling.alpha) throw fields.wrong('alpha', 'left out: prompts of every length would turn by it');
      return {
        rotary: plain,
        positions: Math.min(positions, Math.floor(originalContext(positions, fields))),
      };
    case 'longrope':
      return longrope(plain, positions, fields);
    default:
      throw new InputError(
        `${where}: the type is ${JSON.stringify(found)}; default, linear, llama3, yarn, dynamic and longrope can be read`,
      );
  }
}

function typeOf(found: unknown, scaling: ModelConfig): unknown {
  // So it is called in older configs of Phi-3.
  if (found === 'yarn' && scaling.short_factor) return 'longrope';
  return typeof found === 'string' && Object.hasOwn(TYPE_NAMES, found) ? TYPE_NAMES[found] : found;
}

function originalContext(positions: number, fields: ConfigFields): number {
  return fields.number('original_max_position_embeddings', positions);
}

/** Where the factor is left out, it is that of the two contexts. */
function factorOf(positions: number, fields: ConfigFields): number {
  return fields.number('factor', positions / originalContext(positions, fields));
}

/** Ding et al. 2024, arXiv 2402.13753: every pair by a factor of its own; up to the original context, the short ones. */
function longrope({ dims, frequencies }: Rotary, positions: number, fields: ConfigFields): Rope {
  const context = originalContext(positions, fields);
  const factors = fields.numbers('short_factor', dims / 2);
  const factor = factorOf(positions, fields);
  const grown = factor <= 1 ? 1 : Math.sqrt(1 + Math.log(factor) / Math.log(context));
  return {
    rotary: {
      dims,
      frequencies: frequencies.map((frequency, i) => frequency / factors[i]!),
      scale: fields.number('attention_factor', grown),
    },
    positions: Math.min(positions, Math.floor(context)),
  };
}

/** Long waves are slowed down by a factor, short ones are not, and those between are blended (Llama 3.1). */
function llama3(plain: number[], positions: number, fields: ConfigFields): number[] {
  const factor = fields.number('factor');
  const low = fields.number('low_freq_factor');
  const high = fields.number('high_freq_factor');
  const context = originalContext(positions, fields);
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
  const factor = factorOf(positions, fields);
  const context = originalContext(positions, fields);
  const truncate = fields.flag('truncate', true);
  /** The pair that makes so many turns within the original context. */
  const pairTurning = (turns: number) =>
    (dims * Math.log(context / (turns * 2 * Math.PI))) / (2 * Math.log(base));
  const [fast, slow] = [
    // 0 stands for the default, too.
    pairTurning(scaling.beta_fast === 0 ? 32 : fields.number('beta_fast', 32)),
    pairTurning(scaling.beta_slow === 0 ? 1 : fields.number('beta_slow', 1)),
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
  if (fields.value('attention_factor') !== undefined) return fields.number('attention_factor');
  const grown = (by: number) => (factor <= 1 ? 1 : 0.1 * by * Math.log(factor) + 1);
  if (scaling.mscale && scaling.mscale_all_dim)
    return grown(fields.number('mscale')) / grown(fields.number('mscale_all_dim'));
  return grown(1);
}
