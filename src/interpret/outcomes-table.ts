/** `outcomes.parquet`: what every change did to every prompt. */
import { type ParquetColumn, writeParquet } from '../formats/parquet-file.js';
import type { TokenPair } from '../formats/token-pairs.js';
import type { ExperimentResult, Measured } from './experiment.js';

const COLUMNS: readonly ParquetColumn[] = [
  { name: 'id', type: 'STRING' },
  { name: 'set', type: 'STRING' },
  { name: 'draw', type: 'INT32' },
  { name: 'way', type: 'STRING' },
  { name: 'scale', type: 'DOUBLE' },
  { name: 'logit_difference_before', type: 'DOUBLE', nullable: true, unit: 'answers minus distractors' },
  { name: 'logit_difference', type: 'DOUBLE', nullable: true, unit: 'answers minus distractors' },
  { name: 'kl', type: 'DOUBLE', unit: 'nats, before against after' },
  { name: 'next_token_before', type: 'INT32', unit: 'token id' },
  { name: 'next_token', type: 'INT32', unit: 'token id' },
];

/** One row group for each change. */
export function writeOutcomes(
  path: string,
  pairs: readonly TokenPair[],
  { before, after }: ExperimentResult,
  metadata: Record<string, string>,
): Promise<void> {
  const known = (values: Float64Array) => Array.from(values, (value) => (Number.isNaN(value) ? null : value));
  const group = ({ set, draw, way, scale, outcome }: Measured) => [
    pairs.map(({ id }) => id),
    ...[set, draw, way, scale].map((value) => pairs.map(() => value)),
    known(before.logitDifference),
    known(outcome.logitDifference),
    Array.from(outcome.kl),
    Array.from(before.top),
    Array.from(outcome.top),
  ];
  return writeParquet(path, COLUMNS, { schema_version: '1', ...metadata }, after.map(group));
}
