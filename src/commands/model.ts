/** `model`: what a model folder holds, and what the model says next; a look before anything long. */
import { type EngineChoice, openEngine } from '../engine/engine.js';
import { InputError } from '../errors.js';
import type { Tokenizer } from '../formats/tokenizer.js';
import { nextTokens } from '../forward/next-tokens.js';
import type { Architecture } from '../models/architecture.js';
import { listComponents } from '../models/components.js';
import type { Model } from '../models/weights.js';
import type { LongCall } from '../progress.js';
import { withSubject } from '../run/subject.js';
import type { Given } from '../settings/commands.js';
import { complete } from '../settings/complete.js';

/** Tokens that are listed after a prompt. */
const LISTED = 10;

export interface ModelDescription {
  family: string;
  /** Sizes, and settings that change the forward pass. */
  shape: Omit<Architecture, 'family' | 'rotary' | 'attentionScale'>;
  /** Of the first layer: dimensions that turn, and factor on cos and sin; null where positions are learned. */
  rotary: { dims: number; scale: number } | null;
  components: number;
  directions: number;
  hash: string;
  /** Whether prompts begin with a beginning-of-text token; null without a tokenizer. */
  bos: boolean | null;
  /** What was chosen where the folder leaves a choice. */
  notes: readonly string[];
  prompt: {
    ids: number[];
    tokens: string[];
    mean_log_probability: number | null;
    next: { id: number; token: string; log_probability: number }[];
  } | null;
}

/**
 * @param given without a prompt the model is not run
 * @throws InputError if the model cannot be read, or a prompt is given and there is no tokenizer
 */
export function describeModel(given: Given<'model'>, call: LongCall = {}): Promise<ModelDescription> {
  const { prompt, engine, ...settings } = complete('model', given);
  return withSubject(settings.model, { ...settings, ...call }, async ({ model, tokenizer }) => {
    const { family, rotary, attentionScale: _scale, ...shape } = model.architecture;
    const components = listComponents(model.architecture, undefined, model.qkSplit);
    return {
      family,
      shape,
      rotary: rotary ? { dims: rotary[0]!.dims, scale: rotary[0]!.scale } : null,
      components: components.length,
      directions: components.reduce((sum, { rank }) => sum + rank, 0),
      hash: await model.hash(),
      bos: tokenizer?.addsBos ?? null,
      notes: [...model.notes, ...(tokenizer ? [tokenizer.bosNote] : [])],
      prompt: prompt === null ? null : await continued(model, tokenizer, prompt, engine, call),
    };
  });
}

async function continued(
  model: Model,
  tokenizer: Tokenizer | null,
  prompt: string,
  engine: EngineChoice,
  call: LongCall,
): Promise<ModelDescription['prompt']> {
  if (!tokenizer) throw new InputError(`${model.path}: no tokenizer.json, which --prompt needs`);
  const { nPositions, nVocab } = model.architecture;
  const ids = tokenizer.encode(prompt);
  if (ids.length === 0) throw new InputError('--prompt: has no tokens; give some text');
  if (ids.length > nPositions)
    throw new InputError(`--prompt: has ${ids.length} tokens, the model takes ${nPositions}`);
  const outside = ids.find((id) => id >= nVocab);
  if (outside !== undefined)
    throw new InputError(
      `--prompt: token ${outside} (${JSON.stringify(tokenizer.token(outside))}) is outside the vocabulary (0 to ${nVocab - 1})`,
    );
  const said = await nextTokens(await openEngine({ engine }), model, Int32Array.from(ids), LISTED, call);
  return {
    ids,
    tokens: ids.map((id) => tokenizer.token(id)),
    mean_log_probability: said.promptLogProbability,
    next: said.likeliest.map(({ id, logProbability }) => ({
      id,
      token: tokenizer.token(id),
      log_probability: logProbability,
    })),
  };
}
