/** `prompts.jsonl`: what the circuit does on each prompt, so that intervals can be drawn over prompts and runs later. */
import { InputError } from '../errors.js';
import { writeText } from '../formats/atomic-file.js';
import { readRows } from '../formats/table-file.js';
import type { TokenPair } from '../formats/token-pairs.js';
import { recordOf, SCORES } from './metrics.js';
import type { CircuitScores } from './prompt-scores.js';

const COLUMNS: readonly (keyof CircuitScores)[] = [...SCORES, 'none_logit_diff'];

/** One line per prompt: `id`, `group` if it has one, and the scores; null where there was nothing to score. */
export function writePromptScores(
  path: string,
  pairs: readonly TokenPair[],
  scores: CircuitScores,
): Promise<void> {
  const lines = pairs.map(({ id, group }, i) => {
    // NaN becomes null in JSON.
    const figures = recordOf(COLUMNS, (column) => scores[column][i]);
    return `${JSON.stringify({ id, ...(group !== undefined && { group }), ...figures })}\n`;
  });
  return writeText(path, lines.join(''));
}

/** @throws InputError if the file is missing, or a line lacks a score */
export async function readPromptScores(path: string): Promise<CircuitScores> {
  const values = recordOf(COLUMNS, () => [] as number[]);
  for await (const { line, fields } of readRows(path))
    for (const column of COLUMNS) {
      const value = fields[column];
      if (typeof value !== 'number' && value !== null)
        throw new InputError(`${path}:${line}: no "${column}"; evaluate again`);
      values[column].push(value ?? Number.NaN);
    }
  return recordOf(COLUMNS, (column) => Float64Array.from(values[column]));
}
