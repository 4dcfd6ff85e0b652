/** `prompts.jsonl`: what the circuit does on each prompt, so that intervals can be drawn over prompts and runs later. */
import { InputError } from '../errors.js';
import { writeText } from '../formats/atomic-file.js';
import { readRows } from '../formats/table-file.js';
import type { TokenPair } from '../formats/token-pairs.js';
import { recordOf, SCORES } from './metrics.js';
import type { PromptScores } from './prompt-scores.js';

/** One line per prompt: `id`, `group` if it has one, and the scores; null where there was nothing to score. */
export function writePromptScores(
  path: string,
  pairs: readonly TokenPair[],
  scores: PromptScores,
): Promise<void> {
  const lines = pairs.map(({ id, group }, i) => {
    // NaN becomes null in JSON.
    const figures = recordOf(SCORES, (score) => scores[score][i]);
    return `${JSON.stringify({ id, ...(group !== undefined && { group }), ...figures })}\n`;
  });
  return writeText(path, lines.join(''));
}

/** @throws InputError if the file is missing, or a line lacks a score */
export async function readPromptScores(path: string): Promise<PromptScores> {
  const columns = recordOf(SCORES, () => [] as number[]);
  for await (const { line, fields } of readRows(path))
    for (const score of SCORES) {
      const value = fields[score];
      if (typeof value !== 'number' && value !== null)
        throw new InputError(`${path}:${line}: no "${score}"; evaluate again`);
      columns[score].push(value ?? Number.NaN);
    }
  return recordOf(SCORES, (score) => Float64Array.from(columns[score]));
}
