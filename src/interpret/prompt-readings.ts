/** What prompts say of directions: means by group, roles of QK, and how much of a circuit's fidelity rests on each. */
import type { TokenPair } from '../formats/token-pairs.js';
import type { Tokenizer } from '../formats/tokenizer.js';
import type { PreparedPairs } from '../pairs/prepared-pairs.js';
import type { LongCall } from '../progress.js';
import { type Direction, directionName } from './coefficients.js';
import { type DirectionMeans, directionMeans, groupsOf } from './direction-means.js';
import { type Importance, importances } from './importance.js';
import { type QkRole, qkRoles } from './qk-roles.js';
import type { TakenApart } from './taken-apart.js';
import { readTokenChoice, tokensOf } from './token-choice.js';
import { tokenClasses } from './token-classes.js';

export interface PromptReading {
  means: DirectionMeans | null;
  /** Of QK. */
  role: QkRole | null;
  /** Null without a circuit. */
  importance: Importance | null;
}

export interface PromptReadingsOptions extends LongCall {
  /** Name of the task that the prompts are of, if of one. */
  task: string | null;
  /** The pairs with what a circuit's passes take of them; null without one. */
  prepared: PreparedPairs | null;
  /** 1 or 0 for each direction of the model; null without one. */
  circuit: Float32Array | null;
  /** Tokens that QK directions look from. */
  queries: string;
  /** Keys at each end that roles list. */
  tokens: number;
  exact: number;
  level: number;
}

/** @returns of each direction, by name */
export async function promptReadings(
  apart: TakenApart,
  pairs: readonly TokenPair[],
  directions: readonly Direction[],
  tokenizer: Tokenizer | null,
  { task, prepared, circuit, queries, tokens, exact, level, ...call }: PromptReadingsOptions,
): Promise<Map<string, PromptReading>> {
  const { layout } = apart.running;
  const spell = (id: number) => tokenizer?.token(id) ?? String(id);
  const means = await directionMeans(apart, pairs, directions, groupsOf(pairs, spell), { level, ...call });
  const looking = directions.filter(({ component }) => component.kind === 'qk');
  const choice = readTokenChoice(queries, tokenizer);
  const from = pairs.map(({ id, clean }) => tokensOf(choice, clean, `pair "${id}"`));
  const classes = tokenClasses(pairs, tokenizer, task);
  const roles = await qkRoles(apart, pairs, looking, from, classes, { level, top: tokens, ...call });
  const roleOf = new Map(roles.map((role, at) => [looking[at]!, role]));
  const important = prepared && circuit ? await importances(prepared, circuit, { exact, ...call }) : null;
  return new Map(
    directions.map((direction, at) => [
      directionName(direction),
      {
        means: means[at]!,
        role: roleOf.get(direction) ?? null,
        importance: important?.[layout.of(direction.component).start + direction.index] ?? null,
      },
    ]),
  );
}
