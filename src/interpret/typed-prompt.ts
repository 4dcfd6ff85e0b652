/** One prompt that somebody typed, as a pair; with a contrast even where no answer was named. */
import { InputError } from '../errors.js';
import { encodePairs, type TokenPair } from '../formats/token-pairs.js';
import type { Tokenizer } from '../formats/tokenizer.js';
import type { MaskedModel } from '../forward/masked-model.js';
import type { LongCall } from '../progress.js';
import type { Subject } from '../run/subject.js';
import { logitsAfter } from './outcomes.js';

export interface TypedPrompt {
  prompt: string;
  corrupted: string | null;
  answer: string | null;
  distractor: string | null;
}

/** @throws InputError if the model has no tokenizer, or text in it is not the tokenizer's */
export function typedPair(
  { model, tokenizer }: Subject,
  { prompt, corrupted, answer, distractor }: TypedPrompt,
): { pair: TokenPair; tokenizer: Tokenizer } {
  if (!tokenizer) throw new InputError(`${model.path}: no tokenizer.json, which --prompt needs`);
  const given = {
    id: 'prompt',
    clean: prompt,
    ...(corrupted !== null && { corrupted }),
    answers: answer === null ? [] : [answer],
    distractors: distractor === null ? [] : [distractor],
  };
  const [pair] = encodePairs([given], tokenizer, model.architecture, '--prompt');
  return { pair: pair!, tokenizer };
}

/**
 * Names what was left open: the answer is the likeliest token, the distractor the likeliest after the corrupted prompt,
 * or, where that is the same or there is none, the likeliest other one.
 */
export async function contrasted(
  running: MaskedModel,
  pair: TokenPair,
  { signal }: LongCall = {},
): Promise<TokenPair> {
  if (pair.answers.length > 0 && pair.distractors.length > 0) return pair;
  const prompts = pair.corrupted ? [pair.clean, pair.corrupted] : [pair.clean];
  const logits = await logitsAfter(running, prompts, {}, signal);
  const best = (prompt: number, except: Int32Array) => {
    const own = logits.subarray(
      prompt * running.architecture.nVocab,
      (prompt + 1) * running.architecture.nVocab,
    );
    let found = -1;
    own.forEach((logit, id) => {
      if (!except.includes(id) && (found === -1 || logit > own[found]!)) found = id;
    });
    return Int32Array.of(found);
  };
  const none = new Int32Array(0);
  const answers = pair.answers.length > 0 ? pair.answers : best(0, none);
  if (pair.distractors.length > 0) return { ...pair, answers };
  const corrupted = pair.corrupted ? best(1, none) : answers;
  const distractors = answers.includes(corrupted[0]!) ? best(0, answers) : corrupted;
  return { ...pair, answers, distractors };
}
