/** A row for each direction: what it writes and reads, what it does on prompts, how much rests on it. */

import { type ParquetColumn, writeParquet } from '../formats/parquet-file.js';
import type { Tokenizer } from '../formats/tokenizer.js';
import type { Kind } from '../models/components.js';
import { directionName } from './coefficients.js';
import type { Pattern } from './generic-sequences.js';
import type { Importance } from './importance.js';
import type { Mean } from './mean-of.js';
import type { PromptReading } from './prompt-readings.js';
import type { KeyToken, QkRole } from './qk-roles.js';
import type { Receptors } from './receptors.js';
import type { TokenValue } from './token-ends.js';

export interface Spelt extends TokenValue {
  token: string;
}

export interface Reading {
  direction: string;
  component: string;
  kind: Kind;
  layer: number;
  head: number | null;
  index: number;
  sigma: number;
  mask: number | null;
  /** Null where there is no circuit. */
  in_circuit: boolean | null;
  raises: Spelt[] | null;
  lowers: Spelt[] | null;
  reads: Spelt[] | null;
  reads_against: Spelt[] | null;
  keys: Spelt[] | null;
  keys_against: Spelt[] | null;
  neurons: TokenValue[] | null;
  /** By group of prompts; null without prompts. */
  groups: Record<string, Mean> | null;
  variance_share: number | null;
  adds: Mean | null;
  importance: Importance | null;
  /** Of QK, on prompts. */
  role: SpeltRole | null;
  /** What its head is called on random repeated tokens; null without prompts, or where there is no head. */
  head_names: Pattern[] | null;
  /** Where it was strongest in scored data; null without scores. */
  contexts: StrongContext[] | null;
  /** What it is called (`labels.csv`); null until it is named. */
  label: string | null;
}

/** A role with its key tokens spelled. */
export interface SpeltRole extends Omit<QkRole, 'highest' | 'lowest'> {
  highest: (KeyToken & { token: string })[];
  lowest: (KeyToken & { token: string })[];
}

/** Text up to and with the token at which a coefficient was large, and the coefficient. */
export interface StrongContext {
  text: string;
  value: number;
}

export interface ReadingParts {
  receptors: Receptors;
  mask: number | null;
  inCircuit: boolean | null;
  /** Null without prompts. */
  onPrompts: PromptReading | null;
  headNames: Pattern[] | null;
  contexts: StrongContext[] | null;
}

export function reading(
  { receptors, mask, inCircuit, onPrompts, headNames, contexts }: ReadingParts,
  tokenizer: Tokenizer | null,
): Reading {
  const { direction, sigma, writes, reads, keys, neurons } = receptors;
  const { component, index } = direction;
  const { means = null, role = null, importance = null } = onPrompts ?? {};
  const spell = (id: number) => tokenizer?.token(id) ?? String(id);
  const spelt = (values: readonly KeyToken[]) => values.map((each) => ({ ...each, token: spell(each.id) }));
  const ends = (values: readonly TokenValue[] | undefined): Spelt[] | null =>
    values ? values.map(({ id, value }) => ({ id, value, token: spell(id) })) : null;
  return {
    direction: directionName(direction),
    component: component.name,
    kind: component.kind,
    layer: component.layer,
    head: component.head ?? null,
    ...{ index, sigma, mask, in_circuit: inCircuit },
    ...{ raises: ends(writes?.highest), lowers: ends(writes?.lowest) },
    ...{ reads: ends(reads?.highest), reads_against: ends(reads?.lowest) },
    ...{ keys: ends(keys?.highest), keys_against: ends(keys?.lowest) },
    neurons,
    groups: means && Object.fromEntries(means.groups),
    variance_share: means?.varianceShare ?? null,
    adds: means?.adds ?? null,
    importance,
    role: role && { ...role, highest: spelt(role.highest), lowest: spelt(role.lowest) },
    ...{ head_names: headNames, contexts, label: null },
  };
}

const LOGITS = 'logits for each unit of y, at a final normalisation of 1';
const COEFFICIENT = 'y = [1, input]·u; tokens alone in the stream';

const COLUMNS: readonly ParquetColumn[] = [
  { name: 'direction', type: 'STRING' },
  { name: 'component', type: 'STRING' },
  { name: 'kind', type: 'STRING' },
  { name: 'layer', type: 'INT32' },
  { name: 'head', type: 'INT32', nullable: true },
  { name: 'index', type: 'INT32' },
  { name: 'sigma', type: 'FLOAT' },
  { name: 'mask', type: 'FLOAT', nullable: true },
  { name: 'in_circuit', type: 'BOOLEAN', nullable: true },
  { name: 'raises', type: 'JSON', nullable: true, unit: LOGITS },
  { name: 'lowers', type: 'JSON', nullable: true, unit: LOGITS },
  { name: 'reads', type: 'JSON', nullable: true, unit: COEFFICIENT },
  { name: 'reads_against', type: 'JSON', nullable: true, unit: COEFFICIENT },
  { name: 'keys', type: 'JSON', nullable: true, unit: 'factor of y in the unscaled score, at offset 0' },
  {
    name: 'keys_against',
    type: 'JSON',
    nullable: true,
    unit: 'factor of y in the unscaled score, at offset 0',
  },
  { name: 'neurons', type: 'JSON', nullable: true, unit: 'entry of u' },
  { name: 'groups', type: 'JSON', nullable: true, unit: 'coefficient sigma·y at the last token' },
  { name: 'variance_share', type: 'DOUBLE', nullable: true, unit: "share of the component's variance there" },
  { name: 'adds', type: 'JSON', nullable: true, unit: 'logit difference' },
  { name: 'importance', type: 'JSON', nullable: true, unit: 'after minus before; KL in nats' },
  { name: 'label', type: 'STRING', nullable: true },
  { name: 'head_names', type: 'JSON', nullable: true },
  { name: 'contexts', type: 'JSON', nullable: true, unit: 'coefficient' },
  { name: 'role', type: 'JSON', nullable: true, unit: "score above the query's mean over its keys" },
];

/** Writes `readings.parquet` as rows come. */
export function writeReadings(
  path: string,
  groups: AsyncIterable<readonly Reading[]>,
  metadata: Record<string, string>,
): Promise<void> {
  const columns = async function* () {
    for await (const rows of groups)
      yield COLUMNS.map(({ name }) => rows.map((row) => row[name as keyof Reading] as never));
  };
  return writeParquet(path, COLUMNS, { schema_version: '2', ...metadata }, columns());
}
