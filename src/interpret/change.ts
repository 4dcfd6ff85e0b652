/** What an intervention makes of coefficients, and where what it puts in their place comes from. */
import { InputError } from '../errors.js';
import type { TokenPair } from '../formats/token-pairs.js';
import type { MaskedModel } from '../forward/masked-model.js';
import type { LongCall } from '../progress.js';
import type { ChangeKind } from '../settings/choices.js';
import { type Direction, directionName, readCoefficients } from './coefficients.js';
import { writes } from './taken-apart.js';
import type { ChooseTokens } from './token-choice.js';

export interface Change {
  kind: ChangeKind;
  /** Of `set` and `add`: in coefficients σ_k y_k. */
  value: number;
}

/** Whether a change puts something in place that prompts say. */
export function isRead({ kind }: Change): boolean {
  return kind === 'corrupted' || kind === 'opposite' || kind === 'mean';
}

/** @throws InputError if a direction cannot be changed so */
export function checkChange(kind: ChangeKind, directions: readonly Direction[]): void {
  const reading = directions.find(({ component }) => !writes(component.kind));
  if (kind === 'project' && reading)
    throw new InputError(
      `--change project: ${directionName(reading)} does not write to the stream; give --kinds ov, or --change ablate`,
    );
}

/**
 * The coefficient of a direction after a change.
 * @param own before it
 * @param target what is to take its place, for changes that put something there
 */
export function changed({ kind, value }: Change, scale: number, own: number, target: number): number {
  switch (kind) {
    case 'ablate':
      return 0;
    case 'scale':
      return scale * own;
    case 'add':
      return own + scale * value;
    case 'set':
      return scale * value;
    default:
      return scale * target;
  }
}

/**
 * What takes a coefficient's place.
 * @param prompt from 0
 * @param token which of the prompt's chosen tokens
 * @param direction which of the directions that were read
 */
export type Target = (prompt: number, token: number, direction: number) => number;

export interface TargetRequest {
  pairs: readonly TokenPair[];
  /** Chosen tokens of each pair's clean prompt. */
  tokens: readonly (readonly number[])[];
  choose: ChooseTokens;
  /** Pairs that means are taken over: none that are tested. */
  estimation: readonly TokenPair[];
}

/**
 * Reads what is to take coefficients' place.
 * @param request.pairs each with a corrupted prompt where that is read
 * @throws InputError if a pair lacks what the change needs: as many tokens in the corrupted prompt, or pairs to
 * estimate from whose answer is its distractor
 */
export async function readTargets(
  running: MaskedModel,
  change: Change,
  { pairs, tokens, choose, estimation }: TargetRequest,
  directions: readonly Direction[],
  call: LongCall = {},
): Promise<Target> {
  const n = directions.length;
  if (change.kind === 'corrupted') {
    const corrupted = pairs.map(({ corrupted }) => corrupted!);
    const others = pairs.map((pair, p) => {
      const chosen = choose(pair, 'corrupted');
      if (chosen.length !== tokens[p]!.length)
        throw new InputError(
          `--change corrupted: pair "${pair.id}": ${tokens[p]!.length} tokens are chosen of the clean prompt, ` +
            `${chosen.length} of the corrupted one; choose the last, or give prompts of equal length`,
        );
      return chosen;
    });
    const read = await readCoefficients(running, corrupted, directions, others, call);
    return (prompt, token, direction) => read[prompt]![token * n + direction]!;
  }
  if (change.kind !== 'opposite' && change.kind !== 'mean') return () => Number.NaN;
  if (estimation.length === 0)
    throw new InputError(`--change ${change.kind}: there are no other prompts to take means over`);
  const prompts = estimation.map(({ clean }) => clean);
  const chosen = estimation.map((pair) => choose(pair, 'clean'));
  const read = await readCoefficients(running, prompts, directions, chosen, call);
  const means = new Map<string, Float64Array>();
  const meanOver = (key: string, holds: (pair: TokenPair) => boolean): Float64Array | null => {
    const known = means.get(key);
    if (known) return known;
    const mean = new Float64Array(n);
    let rows = 0;
    estimation.forEach((pair, p) => {
      if (!holds(pair)) return;
      for (let at = 0; at < read[p]!.length; at++) mean[at % n]! += read[p]![at]!;
      rows += chosen[p]!.length;
    });
    if (rows === 0) return null;
    means.set(
      key,
      mean.map((sum) => sum / rows),
    );
    return means.get(key)!;
  };
  const targets = pairs.map(({ id, distractors }) => {
    if (change.kind === 'mean') return meanOver('all', () => true)!;
    const mean = meanOver(distractors.join(), ({ answers }) =>
      answers.some((token) => distractors.includes(token)),
    );
    if (mean) return mean;
    throw new InputError(
      `--change opposite: no prompt to estimate from has pair "${id}"'s distractor as its answer; ` +
        'give more training pairs, or use --change corrupted',
    );
  });
  return (prompt, _token, direction) => targets[prompt]![direction]!;
}
